// SPDX-License-Identifier: Apache-2.0

// Package exchange holds the record of one HTTP hop: browser to gateway, gateway to auth service, auth service to
// identity provider, gateway to backend. Every part that sees a hop records it in this form; everything that writes one
// to a file or a stream redacts it first (see Redact).
package exchange

import (
	"net/http"
	"time"
)

// Party names one end of a hop.
type Party string

// The parties of a subject under test.
const (
	Browser     Party = "browser"
	Gateway     Party = "gateway"
	AuthService Party = "auth-service"
	IdP         Party = "idp"
	Backend     Party = "backend"
)

// Exchange is one recorded request and its response.
type Exchange struct {
	// Time is when the request was sent (or received, when a server recorded it).
	Time time.Time `json:"time"`
	// From and To are the two ends of the hop.
	From Party `json:"from"`
	To   Party `json:"to"`
	// Instance tells several parts in the role of To apart, such as two backends. Empty when there is one.
	Instance string `json:"instance,omitempty"`
	// RequestID correlates hops that one client request caused: the X-Request-Id they carried. A token request that carried
	// none has that of the callback whose code it redeems. Empty when there is neither.
	RequestID string `json:"requestId,omitempty"`
	// Method and URL are the request line; URL is absolute where the recorder knows the host.
	Method string `json:"method"`
	URL    string `json:"url"`
	// Status is the response status, 0 when there was no response; Error then says why.
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"`
	// RequestHeader and ResponseHeader are complete, including Host as "Host" in RequestHeader.
	RequestHeader  http.Header `json:"requestHeader,omitempty"`
	ResponseHeader http.Header `json:"responseHeader,omitempty"`
	// RequestBodyBytes and ResponseBodyBytes are the lengths in bytes that were seen on the wire.
	RequestBodyBytes  int64 `json:"requestBodyBytes"`
	ResponseBodyBytes int64 `json:"responseBodyBytes"`
	// Body is the beginning of the response body (at most 4 KiB), for the report.
	Body string `json:"body,omitempty"`
	// Took is the time between request and the end of the response.
	Took time.Duration `json:"tookNanos"`
}
