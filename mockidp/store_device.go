// SPDX-License-Identifier: Apache-2.0

package mockidp

import "time"

func (s *store) putDevice(deviceCode, userCode string, d *deviceAuthorization, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deviceCodes.put(deviceCode, d, now)
	s.userCodes.put(userCode, d, now)
}

// deviceByUserCode returns nil unless a device waits under the code.
func (s *store) deviceByUserCode(userCode string, now time.Time) *deviceAuthorization {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.userCodes.get(userCode, now)
	if !ok || !d.waits(now) {
		return nil
	}
	return d
}

// decideDevice sets the grant, or refuses the device for nil, once. It says whether the device still waited.
func (s *store) decideDevice(d *deviceAuthorization, g *grant, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !d.waits(now) {
		return false
	}
	d.grant, d.denied = g, g == nil
	return true
}

// waits is called with the store's lock held.
func (d *deviceAuthorization) waits(now time.Time) bool {
	return d.grant == nil && !d.denied && now.Before(d.expires)
}

// redeemDeviceCode uses up a device code that somebody has approved.
func (s *store) redeemDeviceCode(deviceCode, clientID string, now time.Time) (*grant, *oauthError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.deviceCodes.get(deviceCode, now)
	switch {
	case !ok || d.client.ClientID != clientID || d.used:
		return nil, failure(errInvalidGrant, "the device_code is unknown, used or was issued to another client")
	case d.denied:
		return nil, failure(errAccessDenied, "the user refused")
	case !now.Before(d.expires):
		return nil, failure(errExpiredToken, "the device_code is expired")
	case d.grant != nil:
		d.used = true
		return d.grant, nil
	}
	early := !d.polled.IsZero() && now.Sub(d.polled) < d.interval
	d.polled = now
	if early {
		d.interval += pollInterval
		return nil, failure(errSlowDown, "polled too early; wait %d seconds from now on", int64(d.interval/time.Second))
	}
	return nil, failure(errAuthorizationPending, "nobody has decided yet")
}
