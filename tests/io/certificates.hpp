#pragma once

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

namespace assay::io::test {

/// A certificate and its key, PEM.
struct certificate {
  std::string certificate_pem;
  std::string key_pem;
};

/// @returns a new authority that signed itself.
certificate make_authority(const std::string& name);

/// @returns a server's certificate.
/// @param subject_names "DNS:localhost" or "IP:127.0.0.1", separated by commas.
/// @param valid_from,valid_until seconds from now.
certificate make_server_certificate(const certificate& authority, const std::string& subject_names,
                                    long valid_from = -3600, long valid_until = 3600);

/// @returns a context for the server's side.
std::shared_ptr<boost::asio::ssl::context> server_context(const certificate& identity);

/// A file that lives as long as the object.
class temporary_file {
public:
  explicit temporary_file(const std::string& content);
  ~temporary_file();
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  const std::string& path() const noexcept { return path_; }

private:
  std::string path_;
};

} // namespace assay::io::test
