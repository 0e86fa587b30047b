// Package parquet reads Parquet files that nobody vouches for, in flat memory: of each column one page and its dictionary are held
// at a time, and values are taken from a page one after the other, never a whole page unfolded. Counts and sizes that a file claims
// are believed only as far as its bytes bear them out.
//
// The structures of the format come from parquet-go, whose own reader allocates what a page claims. What is read: all physical types,
// the encodings PLAIN, RLE, dictionaries, DELTA_* and BYTE_STREAM_SPLIT, data pages of both versions, and the codecs SNAPPY, GZIP,
// ZSTD, BROTLI and LZ4_RAW.
package parquet
