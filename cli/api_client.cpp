#include "cli/api_client.hpp"

#include "cli/arguments.hpp"
#include "cli/reachable.hpp"
#include "cli/server_address.hpp"
#include "core/values/loopback.hpp"
#include "io/http_fetch.hpp"
#include "storage/folder_lock.hpp"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr milliseconds answer_timeout{30'000};
constexpr milliseconds knock_timeout{2000};
constexpr milliseconds download_timeout{600'000};
constexpr size_t largest_download = size_t{256} << 20;

secret environment_secret(const char* name) {
  const char* value = std::getenv(name);
  return secret{value == nullptr ? std::string{} : std::string(value)};
}

errc code_of_status(int status) noexcept {
  switch (status) {
  case 401:
    return errc::unauthenticated;
  case 403:
    return errc::forbidden;
  case 404:
    return errc::not_found;
  case 409:
    return errc::conflict;
  case 429:
  case 503:
    return errc::busy;
  default:
    return status >= 500 ? errc::internal : errc::invalid_argument;
  }
}

fault refusal(int status, const json& body) {
  fault out{code_of_status(status), "the server answered with status " + std::to_string(status), {}, {}};
  const auto error = body.is_object() ? body.find("error") : body.end();
  if (!body.is_object() || error == body.end() || !error->is_object())
    return out;
  out.message = error->value("message", out.message);
  if (const auto field = error->find("field"); field != error->end() && field->is_string())
    out.where = field->get<std::string>();
  if (status == 401)
    out.hint = "sign in with --user, or give a token with --token or ASSAY_TOKEN";
  return out;
}

/// Switches a terminal's echo off as long as it lives.
class silent_terminal {
public:
  explicit silent_terminal(int fd) : fd_(fd), known_(::tcgetattr(fd, &before_) == 0) {
    if (!known_)
      return;
    auto quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(fd_, TCSAFLUSH, &quiet);
  }
  ~silent_terminal() {
    if (known_)
      ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  silent_terminal(const silent_terminal&) = delete;
  silent_terminal& operator=(const silent_terminal&) = delete;

private:
  const int fd_;
  termios before_{};
  const bool known_;
};

} // namespace

result<secret> read_secret(const std::string& prompt) {
  const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return fault{errc::invalid_argument,
                 "there is no terminal to ask for a password on",
                 {},
                 "set it in the environment"};
  std::string out;
  {
    const silent_terminal quiet(fd);
    [[maybe_unused]] auto written = ::write(fd, prompt.data(), prompt.size());
    char c = 0;
    while (::read(fd, &c, 1) == 1 && c != '\n' && c != '\r')
      out += c;
    written = ::write(fd, "\n", 1);
  }
  ::close(fd);
  return secret{std::move(out)};
}

bool means_server(const config::settings& settings, const api_flags& flags) {
  if (!flags.url.empty())
    return true;
  const auto& folder = settings.storage.data_dir;
  std::error_code ignored;
  if (!std::filesystem::exists(folder, ignored))
    return false;
  const auto lock = storage::lock_folder(folder);
  return !lock && lock.error().code == errc::store_locked;
}

io::proxy_options proxy_for(const config::network_settings& settings, const io::origin& where) {
  if (is_loopback_host(where.host))
    return {};
  const bool secure = where.scheme == io::url_scheme::https;
  return {secure ? settings.https_proxy : settings.http_proxy, settings.no_proxy};
}

void add_api_flags(CLI::App& sub, api_flags& flags) {
  sub.add_option(
      "--url", flags.url,
      "Where the server is; default: where the one of the data folder listens, else the configured "
      "host and port");
  sub.add_option("--token", flags.token,
                 "An access token; ASSAY_TOKEN says the same without showing it to others");
  sub.add_option("--user", flags.user,
                 "Who signs in, with ASSAY_PASSWORD or ASSAY_ADMIN_PASSWORD, when there is no token")
      ->capture_default_str();
}

result<api_client> api_client::connect(const config::settings& settings, const api_flags& flags) {
  api_client out;
  auto url = flags.url;
  if (url.empty()) {
    const std::filesystem::path folder(settings.storage.data_dir);
    if (auto left = find_address(folder))
      url = std::move(*left);
    else if (const auto holder = storage::lock_holder(folder))
      return fault{errc::connect_failed,
                   "no server has this data folder: process " + std::to_string(*holder)
                       + " uses it, `assay run` or another command without a server",
                   folder.string(),
                   "Ctrl-C where it runs interrupts it, and its command goes on later; --url names a server "
                   "elsewhere"};
  }
  if (url.empty())
    url = reachable_url(settings.server, settings.server.port);
  auto where = io::parse_base_url(url);
  if (!where) {
    auto reason = where.error();
    reason.where = "--url";
    return reason;
  }
  out.where_ = std::move(*where);
  out.extra_ca_file_ = settings.network.extra_ca_file;
  out.proxy_ = proxy_for(settings.network, out.where_);
  out.token_ = flags.token.empty() ? environment_secret("ASSAY_TOKEN") : secret{flags.token};
  if (!out.token_.empty())
    return out;
  // Nobody should look for a password where there is no server.
  if (out.proxy_.url.empty())
    if (auto there = check_listening(url, knock_timeout); !there)
      return fault{errc::connect_failed, "there is no server: " + there.error().message, {}, out.hint_};
  auto password = environment_secret("ASSAY_PASSWORD");
  if (password.empty() && flags.user == "admin")
    password = settings.auth.admin_password.empty() ? environment_secret("ASSAY_ADMIN_PASSWORD")
                                                    : settings.auth.admin_password;
  if (password.empty()) {
    auto typed = read_secret("password of " + flags.user + ": ");
    if (!typed)
      return fault{errc::unauthenticated,
                   "there is no token and no password",
                   {},
                   "set ASSAY_TOKEN, or ASSAY_PASSWORD of the user " + flags.user};
    password = std::move(*typed);
  }
  json answer;
  if (auto refused =
          out.ask("POST", "/auth/login", {{"username", flags.user}, {"password", password.reveal()}}, answer))
    return *refused;
  out.token_ = secret{answer.value("access_token", std::string{})};
  return out;
}

std::optional<fault> api_client::ask(const std::string& method, const std::string& path, const json& body,
                                     json& out,
                                     const std::vector<std::pair<std::string, std::string>>& headers) const {
  io::fetch_request request;
  request.where = where_;
  request.method = method;
  request.target = path;
  request.timeout = answer_timeout;
  request.tls.extra_ca_file = extra_ca_file_;
  request.proxy = proxy_;
  request.headers.emplace_back("Accept", "application/json");
  request.headers.insert(request.headers.end(), headers.begin(), headers.end());
  if (!token_.empty())
    request.headers.emplace_back("Authorization", "Bearer " + token_.reveal());
  if (!body.is_null()) {
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body.dump();
  }
  const auto answer = io::fetch(request);
  if (!answer) {
    auto reason = answer.error();
    if (reason.hint.empty())
      reason.hint = hint_;
    return reason;
  }
  out = json::parse(answer->body, nullptr, false);
  if (answer->status >= 300)
    return refusal(answer->status, out);
  if (out.is_discarded())
    return fault{errc::malformed_answer, "the server's answer is not JSON", path, "is this an assay server?"};
  return std::nullopt;
}

std::optional<fault> api_client::download(const std::string& path, std::string& out) const {
  io::fetch_request request;
  request.where = where_;
  request.target = path;
  request.timeout = download_timeout;
  request.max_response_bytes = largest_download;
  request.tls.extra_ca_file = extra_ca_file_;
  request.proxy = proxy_;
  if (!token_.empty())
    request.headers.emplace_back("Authorization", "Bearer " + token_.reveal());
  auto answer = io::fetch(request);
  if (!answer) {
    auto reason = answer.error();
    if (reason.hint.empty())
      reason.hint = reason.code == errc::too_large ? "curl takes it in pieces: docs/results.md" : hint_;
    return reason;
  }
  if (answer->status >= 300)
    return refusal(answer->status, json::parse(answer->body, nullptr, false));
  out = std::move(answer->body);
  return std::nullopt;
}

} // namespace assay::cli
