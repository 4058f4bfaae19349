// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"log/slog"
	"strings"
	"unicode"

	kindlog "sigs.k8s.io/kind/pkg/log"
)

// kindLogger gives kind's status lines to our progress and the rest to our log.
type kindLogger struct {
	logger   *slog.Logger
	progress func(string)
}

func (l kindLogger) Warn(message string)          { l.logger.Warn("kind: " + strings.TrimSpace(message)) }
func (l kindLogger) Warnf(f string, args ...any)  { l.Warn(fmt.Sprintf(f, args...)) }
func (l kindLogger) Error(message string)         { l.logger.Error("kind: " + strings.TrimSpace(message)) }
func (l kindLogger) Errorf(f string, args ...any) { l.Error(fmt.Sprintf(f, args...)) }

func (l kindLogger) V(level kindlog.Level) kindlog.InfoLogger { return kindInfo{l, level} }

type kindInfo struct {
	kindLogger
	level kindlog.Level
}

// Enabled leaves out what kubeadm prints (level 3): a failure carries it anyway.
func (i kindInfo) Enabled() bool { return i.level < 3 }

func (i kindInfo) Infof(f string, args ...any) { i.Info(fmt.Sprintf(f, args...)) }

func (i kindInfo) Info(message string) {
	if !i.Enabled() {
		return
	}
	if step, starts := statusStep(message); i.level == 0 && starts {
		i.progress(step)
		return
	}
	i.logger.Debug("kind: " + strings.TrimSpace(message))
}

// statusStep takes kind's line for a step that starts (" • Preparing nodes 📦  ...") and returns its words.
func statusStep(line string) (step string, starts bool) {
	line, starts = strings.CutPrefix(strings.TrimSpace(line), "•")
	if !starts {
		return "", false
	}
	words := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.So, r) || unicode.Is(unicode.Variation_Selector, r) {
			return -1
		}
		return r
	}, strings.TrimSuffix(strings.TrimSpace(line), "..."))
	return strings.Join(strings.Fields(words), " "), true
}
