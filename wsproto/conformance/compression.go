package main

type deflater struct{}
type inflater struct{}

func (i *inflater) inflate(s string) (string, error) { return s, nil }
func compressionSizes(t *table)                      {}
func compressionParameters(t *table)                 {}
func (c *Case) offer() string                        { return "" }
func (p *peer) agree(s *script, c *Case, a *answer, t *target) (reason string, err error) {
	return "", nil
}
