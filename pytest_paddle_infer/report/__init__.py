"""What people and machines read: failure text, figures on reports, the terminal's summary."""
