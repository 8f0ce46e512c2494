// Package deploy has no code: its directory has what ships the server, and its tests check that. The unit files of systemd are
// verified, and started in a container that systemd-nspawn boots; the image is put together as the Dockerfile says, without
// Docker, and started in a root of its own; the deb and the rpm are built and listed; the Helm chart is rendered.
package deploy
