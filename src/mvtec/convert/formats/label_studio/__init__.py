"""Label Studio: JSON lists of tasks."""
