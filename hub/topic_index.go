package hub

import (
	"slices"
	"sort"
)

// index has the topics in the order of their names, for TopicsPage. It takes 8 to 16 bytes for
// each topic. Guarded by Hub.mu.
type index struct {
	runs [][]*Topic // none is empty
}

// maxRun is the largest number of topics in a run.
const maxRun = 512

// find returns the place of the first topic whose name is not below name.
func (x *index) find(name string) (run, i int) {
	run = sort.Search(len(x.runs), func(i int) bool {
		r := x.runs[i]
		return r[len(r)-1].name >= name
	})
	if run == len(x.runs) {
		return run, 0
	}
	return run, sort.Search(len(x.runs[run]), func(i int) bool { return x.runs[run][i].name >= name })
}

func (x *index) insert(t *Topic) {
	run, i := x.find(t.name)
	if n := len(x.runs); run == n { // after all other topics
		if n == 0 || len(x.runs[n-1]) == maxRun {
			x.runs = append(x.runs, nil)
			n++
		}
		x.runs[n-1] = append(x.runs[n-1], t)
		return
	}
	if r := x.runs[run]; len(r) == maxRun {
		x.runs = slices.Insert(x.runs, run+1, slices.Clone(r[maxRun/2:]))
		x.runs[run] = slices.Clone(r[:maxRun/2])
		if i >= maxRun/2 {
			run, i = run+1, i-maxRun/2
		}
	}
	x.runs[run] = slices.Insert(x.runs[run], i, t)
}

func (x *index) remove(t *Topic) {
	run, i := x.find(t.name)
	x.runs[run] = slices.Delete(x.runs[run], i, i+1)
	if n := len(x.runs[run]); n < maxRun/4 && run+1 < len(x.runs) && n+len(x.runs[run+1]) <= maxRun {
		x.runs[run] = slices.Concat(x.runs[run], x.runs[run+1])
		x.runs = slices.Delete(x.runs, run+1, run+2)
	}
	if len(x.runs[run]) == 0 {
		x.runs = slices.Delete(x.runs, run, run+1)
	}
}
