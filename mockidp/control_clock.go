// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"sync"
	"time"
)

// maxClockOffset keeps every time representable in a token.
const maxClockOffset = 100 * 365 * 24 * time.Hour

// movableClock is a clock that is ahead of another, or behind.
type movableClock struct {
	base   Clock
	mu     sync.Mutex
	offset time.Duration
}

func (c *movableClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Now().Add(c.offset)
}

// Now is the provider's time, which every lifetime and every time claim goes by.
func (p *Provider) Now() time.Time { return p.clock.Now() }

// SetClockOffset moves the provider's clock to that much ahead of its source, or behind if it is negative. It fails for more
// than a hundred years.
func (p *Provider) SetClockOffset(offset time.Duration) error {
	if offset > maxClockOffset || offset < -maxClockOffset {
		return fmt.Errorf("moving the clock: %s is more than a hundred years", offset)
	}
	p.clock.mu.Lock()
	defer p.clock.mu.Unlock()
	p.clock.offset = offset
	return nil
}

// AdvanceClock moves the provider's clock by d, which may be negative, from where it is.
func (p *Provider) AdvanceClock(d time.Duration) error {
	p.clock.mu.Lock()
	defer p.clock.mu.Unlock()
	sum := p.clock.offset + d
	if d > maxClockOffset || d < -maxClockOffset || sum > maxClockOffset || sum < -maxClockOffset {
		return fmt.Errorf("moving the clock: it would be more than a hundred years off")
	}
	p.clock.offset = sum
	return nil
}

// ClockOffset is how far the provider's clock is ahead of its source.
func (p *Provider) ClockOffset() time.Duration {
	p.clock.mu.Lock()
	defer p.clock.mu.Unlock()
	return p.clock.offset
}
