// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
)

type report struct {
	settings
	results []result
	memory  map[string]memory
}

func (b *bench) measure(ctx context.Context) (*report, error) {
	r := &report{settings: b.settings, memory: map[string]memory{}}
	for _, sc := range scenarios() {
		res, err := b.run(ctx, sc)
		if err != nil {
			return nil, err
		}
		r.results = append(r.results, res)
	}
	return r, nil
}

func (r *report) page() string  { return "" }
func (r *report) missed() error { return nil }

func (b *bench) stopAll() error {
	var errs []error
	for _, s := range b.running {
		errs = append(errs, s.stop())
	}
	b.running = nil
	return errors.Join(errs...)
}
