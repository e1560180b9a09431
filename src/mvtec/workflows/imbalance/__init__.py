"""What happens when normal photos are many times as frequent as each defect type."""
