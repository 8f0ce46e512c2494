package monitor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// alert is what a Watch knows of a rule.
type alert struct {
	active bool
	since  time.Time // when the condition began to hold without a break; zero while it does not
	held   time.Time // when it held last
	text   string    // as it was then
}

// look checks the rule: by the state of the server now, and by what has happened since an earlier one, which should be about a
// minute old. An alert that is active is not over before its condition has been false for Keep.
func (a *alert) look(r *Rule, was, now *Snapshot) {
	figures := r.check(was, now)
	if figures == "" {
		a.since = time.Time{}
		a.active = a.active && now.Time.Sub(a.held) < Keep
		return
	}
	if a.since.IsZero() {
		a.since = now.Time
	}
	a.held, a.text = now.Time, figures+". "+sentence(r.Summary)
	a.active = a.active || now.Time.Sub(a.since) >= r.For
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// near returns the check of a rule about a limit, which is 0 for none.
func near(what string, f func(s *Snapshot) (used, limit int64)) check {
	return func(_, now *Snapshot) string {
		used, limit := f(now)
		if limit <= 0 || float64(used) <= nearLimit*float64(limit) {
			return ""
		}
		return fmt.Sprintf("%s: %d of %d", what, used, limit)
	}
}

// either returns the check of a rule with several conditions.
func either(all ...check) check {
	return func(was, now *Snapshot) string {
		for _, c := range all {
			if figures := c(was, now); figures != "" {
				return figures
			}
		}
		return ""
	}
}

// faster returns the check of a rule about the rate of a counter.
func faster(what string, limit float64, f func(s *Snapshot) int64) check {
	return func(was, now *Snapshot) string {
		rate := float64(f(now)-f(was)) / seconds(was, now)
		if rate <= limit {
			return ""
		}
		return fmt.Sprintf("%s: %.3g", what, rate)
	}
}

// seconds returns how much time is between two states, but at least one second.
func seconds(was, now *Snapshot) float64 { return max(now.Time.Sub(was.Time).Seconds(), 1) }

func late(what string, is, limit float64) string {
	if is <= limit {
		return ""
	}
	return fmt.Sprintf("%s, 99th percentile: %.3g s", what, is)
}

// workersBlocked counts turns, too: one that begins to block and ends between two looks counts.
func workersBlocked(was, now *Snapshot) string {
	turns := now.Engine.BlockedEver - was.Engine.BlockedEver
	if turns <= 0 && now.Engine.Blocked == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d workers are blocked, and %d turns have blocked one in the last minute", now.Engine.Blocked, now.Engine.Workers, turns)
}

func backendDown(was, now *Snapshot) string {
	var down []string
	for _, name := range slices.Sorted(maps.Keys(now.Hooks)) {
		h := now.Hooks[name]
		opened := h.Opened - was.Hooks[name].Opened
		if opened > h.Opened { // a reload has begun the counter again
			opened = h.Opened
		}
		switch {
		case h.Breaker != "closed":
			down = append(down, name+" ("+h.Breaker+")")
		case opened > 0:
			down = append(down, fmt.Sprintf("%s (closed again; openings: %d)", name, opened))
		}
	}
	if len(down) == 0 {
		return ""
	}
	return "circuit breaker: " + strings.Join(down, ", ")
}
