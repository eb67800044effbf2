#pragma once

#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "core/values/errors.hpp"
#include "core/values/secret.hpp"
#include "io/proxy.hpp"
#include "io/url.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace assay::cli {

/// How a command reaches a running server; the flags --url, --token and --user.
struct api_flags {
  std::string url;   ///< Empty: what the data folder's server left there, else the configured host and port.
  std::string token; ///< Empty: ASSAY_TOKEN, else a login.
  std::string user = "admin";
};

void add_api_flags(CLI::App& sub, api_flags& flags);

/// @returns whether a command that works with a server or with the data folder itself has to ask the server:
/// one was named, or a farm has the folder.
bool means_server(const config::settings& settings, const api_flags& flags);

/// @returns the proxy for @p where as the settings say; none for a server on this machine.
io::proxy_options proxy_for(const config::network_settings& settings, const io::origin& where);

/// Talks to a running server, one request after another.
class api_client {
public:
  /// Finds the server and an access token; errc::connect_failed when there is none. The token is the flag's,
  /// ASSAY_TOKEN's, or that of a login with the password in ASSAY_PASSWORD or ASSAY_ADMIN_PASSWORD, which is
  /// asked for on a terminal when neither is set.
  static result<api_client> connect(const config::settings& settings, const api_flags& flags);

  /// @param body An object, or null for none. @param out The answer's JSON. @param headers More of them.
  /// @returns the server's own words when it refuses.
  std::optional<fault> ask(const std::string& method, const std::string& path, const nlohmann::json& body,
                           nlohmann::json& out,
                           const std::vector<std::pair<std::string, std::string>>& headers = {}) const;

  /// Gets a document as it is, at most 256 MiB. @returns what ask() returns.
  std::optional<fault> download(const std::string& path, std::string& out) const;

  const io::origin& where() const noexcept { return where_; }
  const std::string& extra_ca_file() const noexcept { return extra_ca_file_; }
  const io::proxy_options& proxy() const noexcept { return proxy_; }

private:
  io::origin where_;
  std::string extra_ca_file_;
  io::proxy_options proxy_;
  secret token_;
  /// When nobody answers there.
  std::string hint_ = "is the server running? `assay serve` starts one; --url says where it is";
};

/// Asks for a text on the terminal without showing it. @returns errc::invalid_argument without a terminal.
result<secret> read_secret(const std::string& prompt);

} // namespace assay::cli
