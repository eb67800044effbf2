#include "io/detail/tls_client.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <climits>
#include <cstring>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace assay::io::detail {

namespace {

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason ? reason : "unknown reason";
}

bool is_address(const std::string& host) {
  boost::system::error_code failed;
  boost::asio::ip::make_address(host, failed);
  return !failed;
}

} // namespace

result<std::unique_ptr<tls_context>> tls_context::make(const tls_options& options, std::string host) {
  std::unique_ptr<tls_context> made(new tls_context(std::move(host)));
  ERR_clear_error();
  SSL_CTX* context = made->context_ = SSL_CTX_new(TLS_client_method());
  if (!context)
    return fault{errc::internal, "OpenSSL could not start: " + openssl_reason(), {}, {}};
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                                | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_set_default_verify_paths(context) != 1)
    return fault{
        errc::internal, "the system's certificate authorities cannot be read: " + openssl_reason(), {}, {}};
  if (!options.extra_ca_file.empty()
      && SSL_CTX_load_verify_locations(context, options.extra_ca_file.c_str(), nullptr) != 1)
    return fault{errc::invalid_argument, "no certificate can be read from the file: " + openssl_reason(),
                 options.extra_ca_file, "extra_ca_file must name a readable file of PEM certificates"};

  X509_VERIFY_PARAM* expected = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const int set = is_address(made->host_) ? X509_VERIFY_PARAM_set1_ip_asc(expected, made->host_.c_str())
                                          : X509_VERIFY_PARAM_set1_host(expected, made->host_.c_str(), 0);
  if (set != 1)
    return fault{errc::invalid_argument, "no certificate could be valid for the host \"" + made->host_ + "\"",
                 "base_url", "check the host's name"};

  static constexpr unsigned char http_only[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context, http_only, sizeof http_only - 1);

  // Resuming saves the certificate check and a round trip for every connection after the first.
  SSL_CTX_set_app_data(context, made.get());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, &tls_context::keep_session);
  return made;
}

tls_context::~tls_context() {
  SSL_SESSION_free(last_session_);
  SSL_CTX_free(context_);
}

int tls_context::keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<tls_context*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  SSL_SESSION_free(self->last_session_);
  self->last_session_ = session;
  return 1; // the reference is ours now
}

bool tls_stream::open(tls_context& context, int socket) {
  ERR_clear_error();
  ssl_ = SSL_new(context.context_);
  if (!ssl_ || SSL_set_fd(ssl_, socket) != 1)
    return false;
  if (!is_address(context.host_))
    SSL_set_tlsext_host_name(ssl_, context.host_.c_str());
  if (context.last_session_ && SSL_SESSION_is_resumable(context.last_session_))
    SSL_set_session(ssl_, context.last_session_);
  SSL_set_connect_state(ssl_);
  return true;
}

tls_stream::outcome tls_stream::classify(int returned) {
  const int system_error = errno;
  switch (SSL_get_error(ssl_, returned)) {
  case SSL_ERROR_WANT_READ:
    return outcome::want_read;
  case SSL_ERROR_WANT_WRITE:
    return outcome::want_write;
  case SSL_ERROR_ZERO_RETURN:
    failure_ = "the server closed the connection";
    return outcome::ended;
  case SSL_ERROR_SYSCALL:
    failure_ = system_error == 0 ? "the server closed the connection" : std::strerror(system_error);
    return outcome::failed;
  default:
    failure_ = openssl_reason();
    return outcome::failed;
  }
}

tls_stream::outcome tls_stream::handshake() {
  ERR_clear_error();
  errno = 0;
  const int returned = SSL_do_handshake(ssl_);
  return returned == 1 ? outcome::ok : classify(returned);
}

tls_stream::outcome tls_stream::read(char* into, size_t room, size_t& got) {
  ERR_clear_error();
  errno = 0;
  got = 0;
  const int returned = SSL_read_ex(ssl_, into, room, &got);
  return returned == 1 ? outcome::ok : classify(returned);
}

tls_stream::outcome tls_stream::write(std::string_view bytes, size_t& taken) {
  taken = 0;
  while (taken < bytes.size()) {
    ERR_clear_error();
    errno = 0;
    size_t now = 0;
    const int returned = SSL_write_ex(ssl_, bytes.data() + taken, bytes.size() - taken, &now);
    if (returned != 1)
      return classify(returned);
    taken += now;
  }
  return outcome::ok;
}

uint64_t tls_stream::wire_bytes() const noexcept { return ssl_ ? BIO_number_written(SSL_get_wbio(ssl_)) : 0; }

fault tls_stream::why() const {
  fault reason{errc::connect_failed, failure_, {}, {}};
  const long verified = ssl_ ? SSL_get_verify_result(ssl_) : X509_V_OK;
  switch (verified) {
  case X509_V_OK:
    break;
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH:
    reason.message = "the certificate belongs to another host";
    reason.hint = "check base_url; somebody may be intercepting the connection";
    break;
  case X509_V_ERR_CERT_HAS_EXPIRED:
  case X509_V_ERR_CERT_NOT_YET_VALID:
    reason.message = X509_verify_cert_error_string(verified);
    reason.hint = "check this machine's clock, or ask the server's operator to renew the certificate";
    break;
  default:
    reason.message =
        "the certificate is not trusted: " + std::string(X509_verify_cert_error_string(verified));
    reason.hint = "if the server uses a private authority, name its certificate in network.extra_ca_file";
  }
  return reason;
}

void tls_stream::say_goodbye() noexcept {
  if (ssl_ && SSL_is_init_finished(ssl_)) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
  }
}

void tls_stream::reset() noexcept {
  SSL_free(ssl_);
  ssl_ = nullptr;
  failure_.clear();
}

} // namespace assay::io::detail
