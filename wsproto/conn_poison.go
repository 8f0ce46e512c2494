//go:build !race

package wsproto

const poisons = false // see conn_poison_race.go

func poison([]byte) {}
