"""The book's machinery: training, statistics, figures, records and the command line."""
