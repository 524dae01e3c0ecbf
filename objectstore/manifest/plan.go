package manifest

// Read is a stretch of one segment: Length bytes of its object, from First on. Of
// an inline segment it counts within Data.
type Read struct {
	Segment       Segment
	First, Length int64
}

// Plan answers what to read, in order, for length bytes of the large object from
// first on. It is shorter where the segments are.
func Plan(segments []Segment, first, length int64) []Read {
	var out []Read
	for _, s := range segments {
		if length <= 0 {
			break
		}
		start, n := s.Span()
		if first >= n {
			first -= n
			continue
		}
		n = min(n-first, length)
		out = append(out, Read{s, start + first, n})
		first, length = 0, length-n
	}
	return out
}
