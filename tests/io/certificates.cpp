#include "tests/io/certificates.hpp"

#include <cstdlib>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <unistd.h>

namespace assay::io::test {

namespace {

using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using x509_ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using bio_ptr = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

void require(bool good, const char* what) {
  if (!good)
    throw std::runtime_error(what);
}

std::string content_of(BIO* memory) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory, &bytes);
  return {bytes, static_cast<size_t>(size)};
}

void extend(X509* subject, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, subject, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  require(extension != nullptr, "extension");
  X509_add_ext(subject, extension, -1);
  X509_EXTENSION_free(extension);
}

certificate make(const std::string& name, const certificate* authority, const std::string& subject_names,
                 long valid_from, long valid_until) {
  const key_ptr key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const x509_ptr made(X509_new(), X509_free);
  require(key && made, "key");
  X509_set_version(made.get(), 2);
  uint32_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), uint64_t{serial} + 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), valid_from);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), valid_until);
  X509_set_pubkey(made.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);

  x509_ptr issuer(nullptr, X509_free);
  key_ptr issuer_key(nullptr, EVP_PKEY_free);
  if (authority) {
    const bio_ptr from(BIO_new_mem_buf(authority->certificate_pem.data(), -1), BIO_free_all);
    issuer.reset(PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr));
    const bio_ptr key_from(BIO_new_mem_buf(authority->key_pem.data(), -1), BIO_free_all);
    issuer_key.reset(PEM_read_bio_PrivateKey(key_from.get(), nullptr, nullptr, nullptr));
  }
  X509* const signer = issuer ? issuer.get() : made.get();
  X509_set_issuer_name(made.get(), X509_get_subject_name(signer));
  extend(made.get(), signer, NID_basic_constraints, authority ? "critical,CA:FALSE" : "critical,CA:TRUE");
  if (!authority)
    extend(made.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  if (!subject_names.empty())
    extend(made.get(), signer, NID_subject_alt_name, subject_names);
  require(X509_sign(made.get(), issuer_key ? issuer_key.get() : key.get(), EVP_sha256()) > 0, "signature");

  certificate result;
  const bio_ptr out(BIO_new(BIO_s_mem()), BIO_free_all);
  PEM_write_bio_X509(out.get(), made.get());
  result.certificate_pem = content_of(out.get());
  const bio_ptr key_out(BIO_new(BIO_s_mem()), BIO_free_all);
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  result.key_pem = content_of(key_out.get());
  return result;
}

} // namespace

certificate make_authority(const std::string& name) { return make(name, nullptr, "", -3600, 3600); }

certificate make_server_certificate(const certificate& authority, const std::string& subject_names,
                                    long valid_from, long valid_until) {
  return make("test server", &authority, subject_names, valid_from, valid_until);
}

std::shared_ptr<boost::asio::ssl::context> server_context(const certificate& identity) {
  auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  context->use_certificate_chain(boost::asio::buffer(identity.certificate_pem));
  context->use_private_key(boost::asio::buffer(identity.key_pem), boost::asio::ssl::context::pem);
  return context;
}

temporary_file::temporary_file(const std::string& content) {
  const char* folder = std::getenv("TMPDIR");
  path_ = std::string(folder ? folder : "/tmp") + "/assay_io_test_XXXXXX";
  const int file = ::mkstemp(path_.data());
  require(file >= 0, "mkstemp");
  const bool whole = ::write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  ::close(file);
  require(whole, "write");
}

temporary_file::~temporary_file() { ::unlink(path_.c_str()); }

} // namespace assay::io::test
