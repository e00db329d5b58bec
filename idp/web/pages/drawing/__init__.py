"""What every page is drawn with: the frame, names and moments in words, forms for codes, QR codes."""
