"""What `import mvtec` offers: data sets, trained models and figures, as Python objects."""
