package httpurl

import (
	"errors"
	"net/url"
)

// WithoutURL returns an error of package net/http without the URL in its text. Of others it returns the error itself.
func WithoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
