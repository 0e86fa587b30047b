package profile

import (
	"bytes"
	"compress/flate"
	"io"

	"github.com/stretchr/testify/require"
)

// deflated makes the stored form of its plain text.
func deflated(t require.TestingT, plain []byte) []byte {
	out := bytes.NewBuffer([]byte{version})
	w, err := flate.NewWriter(out, flate.BestSpeed)
	require.NoError(t, err)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// inflated is the plain text of the stored form.
func inflated(t require.TestingT, encoded []byte) []byte {
	plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(encoded[1:])))
	require.NoError(t, err)
	return plain
}
