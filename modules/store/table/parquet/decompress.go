package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"

	"featurestore/app/fault"
)

// decompress unpacks a page into out, which it must fill; what would be more is never unpacked.
func decompress(codec format.CompressionCodec, out, in []byte) error {
	var from io.Reader
	switch codec {
	case format.Snappy:
		n, err := snappy.DecodedLen(in)
		if err != nil {
			return fmt.Errorf("a page cannot be unpacked: %w", err)
		}
		if n != len(out) {
			return errors.New("a page unpacks to another size than it claims")
		}
		if len(out) == 0 {
			return nil
		}
		_, err = snappy.Decode(out, in)
		return err
	case format.Lz4Raw:
		n, err := 0, error(nil)
		if len(out) > 0 {
			n, err = lz4.UncompressBlock(in, out)
		}
		if err == nil && n < len(out) {
			err = io.ErrUnexpectedEOF
		}
		return err
	case format.Gzip:
		z, err := gzip.NewReader(bytes.NewReader(in))
		if err != nil {
			return err
		}
		from = z
	case format.Zstd:
		z, err := zstd.NewReader(bytes.NewReader(in), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20))
		if err != nil {
			return err
		}
		defer z.Close()
		from = z
	case format.Brotli:
		from = brotli.NewReader(bytes.NewReader(in))
	default:
		return fault.New(fault.Unsupported, "unsupported-parquet",
			"the Parquet file is compressed with %s, which is not read: use snappy, gzip, zstd, brotli, lz4 (LZ4_RAW) or none", codec).At("body", "", "is compressed with %s", codec)
	}
	if _, err := io.ReadFull(from, out); err != nil {
		return fmt.Errorf("a page cannot be unpacked: %w", err)
	}
	return nil
}
