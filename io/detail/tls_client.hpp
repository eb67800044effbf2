#pragma once

#include "core/values/errors.hpp"
#include "io/http_pool.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace assay::io::detail {

/// What all TLS connections of a pool share: trust, the expected name, the last session.
///
/// OpenSSL works on the socket directly, without asio::ssl: that keeps two 17 KB buffers here and two more in
/// OpenSSL for every connection, while this lets idle connections hold none.
class tls_context {
public:
  /// @param host the name the certificate must carry.
  static result<std::unique_ptr<tls_context>> make(const tls_options& options, std::string host);
  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

private:
  friend class tls_stream;
  explicit tls_context(std::string host) : host_(std::move(host)) {}
  static int keep_session(ssl_st* ssl, ssl_session_st* session);

  std::string host_;
  ssl_ctx_st* context_ = nullptr;
  ssl_session_st* last_session_ = nullptr;
};

/// One TLS connection over a non-blocking socket.
class tls_stream {
public:
  enum class outcome { ok, want_read, want_write, ended, failed };

  tls_stream() = default;
  ~tls_stream() { reset(); }
  tls_stream(const tls_stream&) = delete;
  tls_stream& operator=(const tls_stream&) = delete;

  /// Takes up a connected socket. @returns false when OpenSSL is out of memory.
  bool open(tls_context& context, int socket);

  /// @returns whether the connection uses TLS at all.
  explicit operator bool() const noexcept { return ssl_ != nullptr; }

  /// Goes on with the handshake.
  outcome handshake();

  /// Reads what there is; @p got tells how much when ok.
  outcome read(char* into, size_t room, size_t& got);

  /// Writes as much as the socket takes; @p taken tells how much, also when it wants to write more. After
  /// want_read or want_write the same bytes must be offered again (they may have moved).
  outcome write(std::string_view bytes, size_t& taken);

  /// @returns how many bytes have gone to the socket.
  uint64_t wire_bytes() const noexcept;

  /// Why the last call failed, for people; the second part says what to do.
  fault why() const;

  /// Tells the peer that nothing more comes, if it can be told without waiting.
  void say_goodbye() noexcept;

  void reset() noexcept;

private:
  outcome classify(int returned);

  ssl_st* ssl_ = nullptr;
  std::string failure_;
};

} // namespace assay::io::detail
