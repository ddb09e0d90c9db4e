"""Speech emotion recognition inside scikit-learn, with center loss."""

__version__ = "0.1.0"
