"""A network as it learns: of layers that learn faster than Keras's own, in float32 or bfloat16.

What they compute, their names and their weights are those of Keras's own, of which the network is
made that is kept, that reads, and that is exported.
"""

import itertools

import keras
import tensorflow as tf


class Conv2D(keras.layers.Conv2D):
    """A convolution that adds its bias as tensors are added.

    Keras calls `tf.nn.bias_add`. On processors, TensorFlow makes one oneDNN operation of its
    gradient and the kernel's, and in float32 that takes 1.7 times as long as the two by themselves
    (TensorFlow 2.21, AVX-512).
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = self.convolution_op(inputs, self.kernel)
        return tf.add(outputs, self.bias) if self.use_bias else outputs


class BatchNormalization(keras.layers.BatchNormalization):
    """Normalises feature maps (N, side, side, filters) in one operation.

    Keras takes a dozen, each of which goes through all maps once more, and in float32 whatever the
    precision.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not (training and self.trainable):
            return super().call(inputs, training=training)
        unused = tf.constant([], tf.float32)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=unused,
            variance=unused,
            epsilon=self.epsilon,
            is_training=True,
        )
        # The operation estimates the variance beyond this batch; Keras keeps the batch's own.
        count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], tf.float32)
        variance *= (count - 1) / count
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return outputs


def to_learn(
    network: keras.Sequential, precision: str, *, fine_tuned: bool = False
) -> keras.Sequential:
    """The same network as `networks.build` made, with the same initial weights, to learn with.

    Args:
        precision: Of what the layers pass on, "float32" or "bfloat16"; weights and logits are
            float32 in any case. Biases before batch normalisation, which takes them away again, are
            left out.
        fine_tuned: Whether its weights come from another training. Then batch normalisation stays
            as it was learned there, and all biases are kept: statistics of a few hundred digits
            would be worse, and would change the network even where nothing is learned.
    """
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    learning = [keras.Input(network.input_shape[1:], dtype=network.inputs[0].dtype)]
    for layer, following in itertools.zip_longest(network.layers, network.layers[1:]):
        config = layer.get_config() | {"dtype": policy if following else "float32"}
        if isinstance(following, keras.layers.BatchNormalization) and not fine_tuned:
            config["use_bias"] = False
        learning.append(_kind(layer).from_config(config))
        if fine_tuned and isinstance(layer, keras.layers.BatchNormalization):
            learning[-1].trainable = False
    return keras.Sequential(learning, name=network.name)


def _kind(layer: keras.Layer) -> type[keras.Layer]:
    if isinstance(layer, keras.layers.Conv2D):
        return Conv2D
    # A batch of single numbers, as dense layers pass on, is no faster in one operation.
    if isinstance(layer, keras.layers.BatchNormalization) and len(layer.output.shape) == 4:
        return BatchNormalization
    return type(layer)
