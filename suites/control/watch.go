// SPDX-License-Identifier: Apache-2.0

package control

import (
	"maps"
	"net/http"
	"slices"
)

// Watch returns what has to be wrapped around which part to learn which controls concern a request, without any of them
// in place: touched is told of each control that would have changed the request or its answer. It may be called from
// several goroutines at once.
//
// What a control never touches is the same with the control and without it.
func Watch(controls []Control, touched func(c Control, r *http.Request)) map[Part]Middleware {
	byPart := map[Part][]Control{}
	all := map[Part]Middleware{}
	var leaks []Control
	for _, c := range controls {
		byPart[c.Part] = append(byPart[c.Part], c)
		if c.Then.LeakRequestHeader != "" {
			leaks = append(leaks, c)
		}
	}
	seen := &seenHeaders{}
	for part, here := range byPart {
		all[part] = watch(here, seen, touched)
	}
	for _, c := range leaks {
		remember, next := seen.remember(c.Then.LeakRequestHeader), all[Gateway]
		all[Gateway] = func(h http.Handler) http.Handler {
			if next != nil {
				h = next(h)
			}
			return remember(h)
		}
	}
	return all
}

func watch(controls []Control, seen *seenHeaders, touched func(c Control, r *http.Request)) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var answers []Control
			for _, c := range controls {
				switch {
				case !c.When.request(r):
				case c.Then.changesAnswer():
					answers = append(answers, c)
				case c.wouldChange(r, seen):
					touched(c, r)
				}
			}
			watched := &answerWriter{ResponseWriter: w, answer: func(a *answerWriter, status int) {
				for _, c := range answers {
					if c.wouldChangeAnswer(status, a.Header()) {
						touched(c, r)
					}
				}
				a.ResponseWriter.WriteHeader(status)
			}}
			next.ServeHTTP(watched, r)
			watched.finish()
		})
	}
}

// wouldChange says whether the deviation makes a difference to a request that the control is for.
func (c Control) wouldChange(r *http.Request, seen *seenHeaders) bool {
	switch then := c.Then; {
	case then.Abort, then.Instead != nil, then.Bypass, then.RequestBody != "":
		return true
	case then.LeakRequestHeader != "":
		values := seen.of(r, then.LeakRequestHeader)
		return values != nil && !slices.Equal(values, r.Header.Values(then.LeakRequestHeader))
	default:
		changed := then.changeRequest(r)
		return changed.Method != r.Method || !maps.EqualFunc(changed.Header, r.Header, slices.Equal)
	}
}

// wouldChangeAnswer says whether the deviation makes a difference to an answer.
func (c Control) wouldChangeAnswer(status int, header http.Header) bool {
	if !c.When.answer(status, header) {
		return false
	}
	switch then := c.Then; {
	case then.Status != 0:
		return then.Status != status
	case then.DropResponseHeader != "":
		return len(header.Values(then.DropResponseHeader)) > 0
	case then.EditResponseHeader != nil:
		edited := header.Clone()
		then.EditResponseHeader.apply(edited)
		return !maps.EqualFunc(edited, header, slices.Equal)
	default:
		return true
	}
}
