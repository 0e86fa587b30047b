package jsonscan

// names are the member names that an open object has had so far: the scanner's from first on, and beyond manyNames a set.
type names struct {
	first int
	set   map[string]struct{}
}

// manyNames is where looking through a list of hashes becomes slower than a map.
const manyNames = 64

func (s *Scanner) open() names {
	if s.names == nil {
		s.names, s.hashes = make([]string, 0, 16), make([]uint64, 0, 16)
	}
	return names{first: len(s.names)}
}

// close forgets the names of an object.
func (s *Scanner) close(n names) {
	s.names, s.hashes = s.names[:n.first], s.hashes[:n.first]
}

// add takes a name in; it answers false if the object has it already.
func (s *Scanner) add(n *names, name string) bool {
	if n.set != nil {
		before := len(n.set)
		n.set[name] = struct{}{}
		return len(n.set) > before
	}
	h := hash(name)
	for i, other := range s.hashes[n.first:] {
		if other == h && s.names[n.first+i] == name {
			return false
		}
	}
	s.hashes, s.names = append(s.hashes, h), append(s.names, name)
	if len(s.names)-n.first == manyNames {
		n.set = make(map[string]struct{}, 2*manyNames)
		for _, name := range s.names[n.first:] {
			n.set[name] = struct{}{}
		}
	}
	return true
}

// hash tells most names apart: by their length and their first and last eight bytes.
func hash(name string) uint64 {
	h := uint64(len(name)) * 0x9e3779b97f4a7c15
	if len(name) >= 8 {
		return (h^load(name, 0))*0xff51afd7ed558ccd ^ load(name, len(name)-8)*0xc4ceb9fe1a85ec53
	}
	for i := range len(name) {
		h = h<<8 ^ h>>56 ^ uint64(name[i])
	}
	return h
}
