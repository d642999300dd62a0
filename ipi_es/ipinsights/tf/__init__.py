"""The only place that imports TensorFlow; nothing outside imports it before a training begins."""

import os

# TensorFlow reads it when it is imported, and greets every user with lines about his processor otherwise
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
