"""Dense and convolutional networks that read handwritten digits. Knows no screen: never imports
streamlit."""
