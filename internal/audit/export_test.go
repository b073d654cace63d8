package audit

import "time"

// Limit bounds c for a test, and gives it a clock.
func (c *Chain) Limit(most int, now func() time.Time) { c.most, c.now = most, now }
