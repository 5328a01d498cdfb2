"""What the tests share: real parts, started privately. Knows no single test."""
