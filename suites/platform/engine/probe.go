// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// probeImage is the reference of the image that holds one program which exits with 0.
const probeImage = "ingress-auth-conformance/privileged-probe:1"

// exitZero is the machine code of exit(0), by Docker's name of the architecture.
var exitZero = map[string]struct {
	machine uint16 // e_machine of the ELF header
	code    []byte
}{
	"amd64": {62, []byte{
		0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60 (exit)
		0x31, 0xff, // xor edi, edi
		0x0f, 0x05, // syscall
	}},
	"arm64": {183, []byte{
		0xa8, 0x0b, 0x80, 0xd2, // mov x8, #93 (exit)
		0x00, 0x00, 0x80, 0xd2, // mov x0, #0
		0x01, 0x00, 0x00, 0xd4, // svc #0
	}},
}

// checkPrivileged runs a privileged container for real, without network. It leaves neither container nor image.
func checkPrivileged(ctx context.Context, d docker, arch string) error {
	archive, err := probeArchive(arch)
	if err != nil {
		return err
	}
	if _, err := d.run(ctx, bytes.NewReader(archive), "load", "--quiet"); err != nil {
		return fmt.Errorf("loading the probe image: %w", said(err))
	}
	_, err = d.run(ctx, nil, "run", "--rm", "--privileged", "--network=none", probeImage)
	if _, removeErr := d.run(context.WithoutCancel(ctx), nil, "rmi", "--force", probeImage); removeErr != nil && err == nil {
		return fmt.Errorf("removing the probe image: %w", removeErr)
	}
	if err != nil {
		return fmt.Errorf("running a privileged container: %w", said(err))
	}
	return nil
}

// probeArchive is the image as `docker load` takes it.
func probeArchive(arch string) ([]byte, error) {
	program, err := probeProgram(arch)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		var content bytes.Buffer
		files := tar.NewWriter(&content)
		if err := files.WriteHeader(&tar.Header{Name: "true", Mode: 0o755, Size: int64(len(program))}); err != nil {
			return nil, err
		}
		if _, err := files.Write(program); err != nil {
			return nil, err
		}
		return io.NopCloser(&content), files.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("packing the probe image: %w", err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("packing the probe image: %w", err)
	}
	image, err = mutate.ConfigFile(image, withProbeConfig(image, arch))
	if err != nil {
		return nil, fmt.Errorf("packing the probe image: %w", err)
	}
	tag, err := name.NewTag(probeImage)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	if err := tarball.Write(tag, image, &archive); err != nil {
		return nil, fmt.Errorf("packing the probe image: %w", err)
	}
	return archive.Bytes(), nil
}

func withProbeConfig(image v1.Image, arch string) *v1.ConfigFile {
	config, err := image.ConfigFile()
	if err != nil {
		config = &v1.ConfigFile{}
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", arch
	config.Config.Cmd = []string{"/true"}
	return config
}

// probeProgram is the smallest ELF executable: one header, one loadable segment, a few instructions.
func probeProgram(arch string) ([]byte, error) {
	exit, known := exitZero[arch]
	if !known {
		return nil, fmt.Errorf("the engine runs on %s; the probe for privileged containers knows amd64 and arm64", arch)
	}
	const base, headers = 0x400000, 64 + 56
	size := uint64(headers + len(exit.code))
	var program bytes.Buffer
	program.WriteString("\x7fELF\x02\x01\x01") // 64 bit, little endian, version 1
	program.Write(make([]byte, 9))
	for _, field := range []any{
		// The file header: type executable, machine, version, entry, program headers at 64, no sections.
		uint16(2), exit.machine, uint32(1), uint64(base + headers), uint64(64), uint64(0), uint32(0),
		uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		// The segment: load, readable and executable, the whole file.
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000),
	} {
		if err := binary.Write(&program, binary.LittleEndian, field); err != nil {
			return nil, err
		}
	}
	program.Write(exit.code)
	return program.Bytes(), nil
}
