package s3

import (
	"encoding/xml"
	"errors"
	"net/http"

	"altostack/kernel/fault"
)

// failure is an answer that refuses, as S3 spells it.
type failure struct {
	code    string
	message string
	extra   []element
	cause   error
}

type element struct{ name, value string }

// refusals are the codes there are, with status and sentence.
var refusals = map[string]struct {
	status  int
	message string
}{
	"AccessDenied":                            {403, "Access Denied."},
	"AuthorizationHeaderMalformed":            {400, "The authorization header is malformed; it needs Credential, SignedHeaders and Signature."},
	"AuthorizationQueryParametersError":       {400, "The query parameters of the signature are not valid."},
	"BadDigest":                               {400, "The Content-MD5 or checksum that was given is not that of the data received."},
	"BucketAlreadyOwnedByYou":                 {409, "You own a bucket of this name already."},
	"BucketNotEmpty":                          {409, "The bucket you tried to delete is not empty."},
	"EntityTooLarge":                          {400, "The upload is larger than an object may be."},
	"EntityTooSmall":                          {400, "The upload is smaller than the minimum allowed size: only the last part may have less than 5 MiB."},
	"IllegalVersioningConfigurationException": {400, "The versioning configuration of the request is not valid."},
	"IncompleteBody":                          {400, "The number of bytes received is not the one that was announced."},
	"InternalError":                           {500, "We met an internal error. Please try again."},
	"InvalidAccessKeyId":                      {403, "The access key does not exist in our records."},
	"InvalidArgument":                         {400, "An argument is not valid."},
	"InvalidBucketName":                       {400, "The bucket's name is not valid."},
	"InvalidDigest":                           {400, "The Content-MD5 or checksum that was given is not valid."},
	"InvalidPart":                             {400, "One or more of the parts could not be found, or do not have the entity tag that was given."},
	"InvalidPartOrder":                        {400, "The list of parts is not in ascending order."},
	"InvalidPartNumber":                       {416, "The part number that was asked for cannot be satisfied."},
	"InvalidRange":                            {416, "The requested range cannot be satisfied."},
	"InvalidRequest":                          {400, "The request is not valid."},
	"InvalidStorageClass":                     {400, "The storage class is not valid."},
	"InvalidTag":                              {400, "A tag is not valid."},
	"InvalidURI":                              {400, "The URI could not be understood."},
	"KeyTooLongError":                         {400, "The key is too long."},
	"MalformedTrailerError":                   {400, "The data behind the body is not well-formed."},
	"MalformedXML":                            {400, "The XML is not well-formed or not what this operation takes."},
	"MetadataTooLarge":                        {400, "The metadata is larger than it may be."},
	"MethodNotAllowed":                        {405, "The method is not allowed against this resource."},
	"MissingContentLength":                    {411, "The Content-Length header is needed."},
	"MissingSecurityHeader":                   {400, "A header that is needed is missing."},
	"NoSuchBucket":                            {404, "The bucket does not exist."},
	"NoSuchBucketPolicy":                      {404, "The bucket has no policy."},
	"NoSuchCORSConfiguration":                 {404, "The bucket has no CORS configuration."},
	"NoSuchKey":                               {404, "The key does not exist."},
	"NoSuchLifecycleConfiguration":            {404, "The bucket has no lifecycle configuration."},
	"NoSuchPublicAccessBlockConfiguration":    {404, "The bucket has no public access block configuration."},
	"NoSuchTagSet":                            {404, "There is no tag set."},
	"NoSuchUpload":                            {404, "The multipart upload does not exist: it may have been aborted or completed."},
	"NoSuchVersion":                           {404, "The version does not exist."},
	"NoSuchWebsiteConfiguration":              {404, "The bucket has no website configuration."},
	"NotImplemented":                          {501, "The request asks for something that is not implemented."},
	"ObjectLockConfigurationNotFoundError":    {404, "The bucket has no object lock configuration."},
	"OwnershipControlsNotFoundError":          {404, "The bucket has no ownership controls."},
	"PreconditionFailed":                      {412, "At least one of the preconditions did not hold."},
	"ReplicationConfigurationNotFoundError":   {404, "The bucket has no replication configuration."},
	"RequestTimeTooSkewed":                    {403, "The difference between the time of the request and the server's is too large."},
	"ServerSideEncryptionConfigurationNotFoundError": {404, "The bucket has no encryption configuration."},
	"ServiceUnavailable":                             {503, "Please try again later."},
	"SignatureDoesNotMatch":                          {403, "The signature that was calculated does not match the one given. Check your secret key and how you sign."},
	"TooManyBuckets":                                 {400, "There are as many buckets or bytes as there may be."},
	"XAmzContentSHA256Mismatch":                      {400, "The x-amz-content-sha256 header is not the hash of the data received."},
}

// Error is for logs.
func (f *failure) Error() string {
	if f.cause != nil {
		return f.code + ": " + f.message + ": " + f.cause.Error()
	}
	return f.code + ": " + f.message
}

// Unwrap gives the hidden cause.
func (f *failure) Unwrap() error { return f.cause }

// refusal makes the failure of a code; more are pairs of elements of the answer,
// and "Message" replaces the sentence.
func refusal(code string, more ...string) *failure {
	f := &failure{code: code, message: refusals[code].message}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i] == "Message" {
			f.message = more[i+1]
			continue
		}
		f.extra = append(f.extra, element{more[i], more[i+1]})
	}
	return f
}

func argument(name, value, message string) *failure {
	return refusal("InvalidArgument", "Message", message, "ArgumentName", name, "ArgumentValue", value)
}

// codes are how S3 names the domain's faults.
var codes = map[fault.Code]string{
	fault.CodeObjectstoreContainerNotFound: "NoSuchBucket", fault.CodeObjectstoreObjectNotFound: "NoSuchKey", fault.CodeObjectstoreContainerNotEmpty: "BucketNotEmpty",
	fault.CodeObjectstoreUploadNotFound: "NoSuchUpload", fault.CodeObjectstoreBadPart: "InvalidPart", fault.CodeObjectstoreEtagMismatch: "BadDigest",
	fault.CodeObjectstoreTooLarge: "EntityTooLarge", fault.CodeObjectstoreUploadCut: "IncompleteBody", fault.CodeObjectstoreExists: "PreconditionFailed",
	fault.CodeObjectstoreBadName: "KeyTooLongError", fault.CodeObjectstoreQuotaExceeded: "EntityTooLarge", fault.CodeObjectstoreNoSpace: "ServiceUnavailable",
	fault.CodeObjectstoreAccountGone: "AccessDenied", fault.CodeObjectstoreAccountNotFound: "NoSuchBucket", fault.CodeAuthUnauthenticated: "InvalidAccessKeyId",
}

// failureOf finds how S3 answers an error.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	for code, name := range codes {
		if fault.Has(err, code) {
			f := refusal(name)
			f.cause = err
			return f
		}
	}
	name := "InternalError"
	if fault.KindOf(err) == fault.Unavailable {
		name = "ServiceUnavailable"
	}
	f = refusal(name)
	f.cause = err
	return f
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) int {
	f := failureOf(err)
	status := refusals[f.code].status
	h := w.Header()
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	h.Set("Content-Type", "application/xml")
	type field struct {
		XMLName xml.Name
		Value   string `xml:",chardata"`
	}
	body := struct {
		XMLName xml.Name `xml:"Error"`
		Fields  []field
	}{}
	add := func(name, value string) {
		body.Fields = append(body.Fields, field{xml.Name{Local: name}, value})
	}
	add("Code", f.code)
	add("Message", f.message)
	for _, e := range f.extra {
		add(e.name, e.value)
	}
	add("Resource", r.URL.Path)
	add("RequestId", h.Get("X-Amz-Request-Id"))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		writeXML(w, body)
	}
	return status
}

// writeXML writes a body; a client that went away hears nothing.
func writeXML(w http.ResponseWriter, v any) {
	text, err := xml.Marshal(v)
	if err != nil {
		panic(err) // the types are ours
	}
	_, _ = w.Write(append([]byte(xml.Header), text...))
}

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// answer answers 200 with a body.
func (c *call) answer(v any) error {
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(http.StatusOK)
	writeXML(c.w, v)
	return nil
}

func (c *call) empty(status int) error {
	if status != http.StatusNoContent {
		c.w.Header().Set("Content-Length", "0")
	}
	c.w.WriteHeader(status)
	return nil
}

// absent answers for settings that a bucket never has here.
func absent(code string) handler {
	return func(c *call) error {
		if _, err := c.con(readBucket); err != nil {
			return err
		}
		return refusal(code)
	}
}

// constant answers settings that are the same for every bucket.
func constant(name, inner string) handler {
	return func(c *call) error {
		if _, err := c.con(readBucket); err != nil {
			return err
		}
		return c.answer(struct {
			XMLName xml.Name
			Inner   string `xml:",innerxml"`
		}{xml.Name{Space: namespace, Local: name}, inner})
	}
}

// nothing deletes settings that a bucket never has here.
func (c *call) nothing() error {
	if _, err := c.con(writeBucket); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}
