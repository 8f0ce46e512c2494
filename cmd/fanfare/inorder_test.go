package main

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func TestInOrder(t *testing.T) {
	const n = 1000
	var o inOrder
	var ran []int
	all := make([]func(func()), n)
	for i := range all {
		all[i] = o.place()
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(rand.Perm(n), n/4) {
		wg.Go(func() {
			for _, i := range part {
				all[i](func() { ran = append(ran, i) })
			}
		})
	}
	wg.Wait()
	if len(ran) != n || !slices.IsSorted(ran) {
		t.Errorf("%d ran, in the order %v", len(ran), ran)
	}
}
