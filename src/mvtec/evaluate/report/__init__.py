"""The pages of `mvtec evaluate`: one file a page, their templates, and what several of them show."""
