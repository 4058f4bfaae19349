// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"errors"
	"strings"
	"testing"
)

func TestSelect(t *testing.T) {
	c := sample(t)
	for name, s := range map[string]struct {
		in   Selection
		want string
	}{
		"nothing set takes all":        {Selection{}, "BACKEND-401-PASS BACKEND-401-SNIPPET-ANNOTATION STATUS-AUTH-401-NO-SESSION STATUS-AUTH-503-RETRY-AFTER STATUS-AUTH-CUSTOM-ERRORS-NO-BYPASS"},
		"exact id":                     {Selection{IDs: []string{"BACKEND-401-PASS"}}, "BACKEND-401-PASS"},
		"id in lower case":             {Selection{IDs: []string{"backend-401-pass"}}, "BACKEND-401-PASS"},
		"prefix":                       {Selection{IDs: []string{"BACKEND-"}}, "BACKEND-401-PASS BACKEND-401-SNIPPET-ANNOTATION"},
		"several ids":                  {Selection{IDs: []string{"STATUS-AUTH-5", "BACKEND-401-PASS"}[1:]}, "BACKEND-401-PASS"},
		"profile":                      {Selection{Profiles: []Profile{Security}}, "STATUS-AUTH-CUSTOM-ERRORS-NO-BYPASS"},
		"level":                        {Selection{Levels: []Level{May, Should}}, "BACKEND-401-SNIPPET-ANNOTATION STATUS-AUTH-503-RETRY-AFTER"},
		"area and level must both fit": {Selection{Areas: []string{"backend-401"}, Levels: []Level{Must}}, "BACKEND-401-PASS"},
		"any of the features":          {Selection{Features: []string{"custom-http-errors"}}, "BACKEND-401-SNIPPET-ANNOTATION STATUS-AUTH-CUSTOM-ERRORS-NO-BYPASS"},
	} {
		t.Run(name, func(t *testing.T) {
			selected, err := c.Select(s.in)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, r := range selected {
				ids = append(ids, r.ID)
			}
			if got := strings.Join(ids, " "); got != s.want {
				t.Errorf("got  %s\nwant %s", got, s.want)
			}
		})
	}
}

func TestSelectNeverRunsNothingSilently(t *testing.T) {
	c := sample(t)
	for name, s := range map[string]Selection{
		"an empty list of ids":           {IDs: []string{}},
		"conditions that exclude others": {Areas: []string{"backend-401"}, Profiles: []Profile{Security}},
	} {
		_, err := c.Select(s)
		if !errors.Is(err, ErrNothingSelected) || ExitCodeOf(err) != ExitNothingSelected {
			t.Errorf("%s: %v, exit code %d", name, err, ExitCodeOf(err))
		}
	}
}

func TestSelectRefusesNamesTheContractDoesNotHave(t *testing.T) {
	c := sample(t)
	for want, s := range map[string]Selection{
		`there is no requirement "BACKEND-401-PAS"; did you mean "BACKEND-401-PASS"?`:   {IDs: []string{"BACKEND-401-PASS", "BACKEND-401-PAS"}},
		`there is no requirement "STATUS"; did you mean "STATUS-AUTH-401-NO-SESSION"?`:  {IDs: []string{"STATUS"}},
		`there is no requirement "BAKCEND-401-PASS-"; did you mean "BACKEND-401-PASS"?`: {IDs: []string{"BAKCEND-401-PASS-"}},
		`there is no profile "nginx"; did you mean "nginx-annotations"?`:                {Profiles: []Profile{"nginx"}},
		`there is no level "must"; did you mean "MUST"?`:                                {Levels: []Level{"must"}},
		`there is no area "status-code"; did you mean "status-codes"?`:                  {Areas: []string{"status-code"}},
		`there is no feature "auth-sign-in"; did you mean "auth-signin"?`:               {Features: []string{"auth-sign-in"}},
	} {
		_, err := c.Select(s)
		if err == nil || !strings.Contains(err.Error(), want) || ExitCodeOf(err) != ExitUsage {
			t.Errorf("error = %v, exit code %d\nwant    %s, exit code 2", err, ExitCodeOf(err), want)
		}
	}
}
