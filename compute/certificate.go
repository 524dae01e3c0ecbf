package compute

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"time"
)

// principalName is the kind of name by which Windows maps a certificate to a
// user (id-ms-san-upn), inside of a subject alternative name (2.5.29.17).
var (
	principalName   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
	alternativeName = asn1.ObjectIdentifier{2, 5, 29, 17}
)

// certificateLife is how long a certificate made here is valid: servers ask once,
// at their first start, but nobody renews it.
const certificateLife = 10 * 365 * 24 * time.Hour

// certificate makes a client certificate for a user, signed by itself, and its
// private key, both in PEM: what Windows guests take for WinRM.
func certificate(userID string, now time.Time) (public, private string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	san, err := alternative(userID + "@localhost")
	if err != nil {
		return "", "", err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return "", "", err
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: userID}, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, ExtraExtensions: []pkix.Extension{{Id: alternativeName, Value: san}}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), nil
}

// alternative encodes one name of kind principalName; crypto/x509 knows none of
// other kinds than its own.
func alternative(name string) ([]byte, error) {
	id, err := asn1.Marshal(principalName)
	if err != nil {
		return nil, err
	}
	text, err := asn1.MarshalWithParams(name, "utf8")
	if err != nil {
		return nil, err
	}
	tagged := func(content []byte) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: content}
	}
	value, err := asn1.Marshal(tagged(text))
	if err != nil {
		return nil, err
	}
	return asn1.Marshal([]asn1.RawValue{tagged(append(id, value...))})
}
