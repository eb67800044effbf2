#pragma once

#include "core/values/errors.hpp"
#include "core/values/model.hpp"
#include "core/values/run.hpp"
#include "core/values/secret.hpp"
#include "core/values/task.hpp"
#include "server/auth/attempt_limiter.hpp"
#include "server/auth/passwords.hpp"
#include "server/auth/permissions.hpp"
#include "server/clocks.hpp"
#include "server/families.hpp"

#include <spdlog/fwd.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::storage {
class store;
}

namespace assay {
struct host_state;
}

namespace assay::server {

class farm_access;

/// What callers may do to the edge before it stops listening to them.
struct edge_limits {
  size_t header_bytes = 8 * 1024;
  size_t header_fields = 100;
  milliseconds header_time{5'000};    ///< From the first byte to the last one, whatever comes between.
  milliseconds handshake_time{5'000}; ///< Of TLS.
  size_t body_bytes = size_t{8} << 20;
  milliseconds body_time{30'000}; ///< For the body, and what it has to be faster than after that:
  size_t body_bytes_per_second = 1024;
  milliseconds idle_time{30'000};   ///< Between two requests of a connection.
  milliseconds write_stall{10'000}; ///< Without one more byte of an answer taken.
  size_t connections = 4096;
  size_t connections_per_address = 64;
  size_t web_socket_command_bytes = 64 * 1024;
  size_t web_socket_backlog_bytes = size_t{1} << 20;
  unsigned web_socket_commands_per_minute = 100;
  size_t web_socket_subscriptions = 256;
  milliseconds web_socket_login_time{5'000}; ///< Until the first message has to say who it is.
  milliseconds web_socket_idle_time{60'000}; ///< Pings go out at half of it.
};

struct tls_files {
  std::filesystem::path certificate_chain; ///< PEM.
  std::filesystem::path private_key;       ///< PEM.
};

/// Who serves models.
struct provider_summary {
  provider_id id;
  wire_protocol protocol = wire_protocol::openai_chat;
  std::string base_url; ///< Empty when it has no address.
  bool usable = false;  ///< It has an address, and a key where it needs one.
};

/// A model that the list lacks.
struct unlisted_model_profile {
  model_profile model;
  std::string unavailable; ///< Why it cannot be evaluated now; empty when it can.
};

/// The tasks and models that can be used now.
struct catalogue {
  std::vector<task_summary> tasks;
  std::vector<model_profile> models;
  std::vector<provider_summary> providers;
  std::map<task_id, std::string>
      task_details; ///< JSON object text merged into GET /tasks/{id}; may lack a task.
  /// A model that the list lacks: one that can be evaluated all the same, like sim-p70, or one that is known
  /// and cannot. Empty: there are none.
  std::function<std::optional<unlisted_model_profile>(const model_id&)> unlisted_model;
};

/// What reading the configuration again has brought.
struct reload_report {
  std::vector<std::string> applied;       ///< Keys whose new values hold from now on.
  std::vector<std::string> needs_restart; ///< Keys whose new values cannot be taken up while the farm runs.
};

struct edge_options {
  std::string address = "127.0.0.1";
  uint16_t port = 8000; ///< 0 lets the system choose.
  std::optional<tls_files> tls;
  edge_limits limits;

  /// Origins of web pages that may use the API, exactly as browsers send them; `*` for all. Pages of this
  /// server may anyway.
  std::vector<std::string> allow_origins;
  /// Origins of web pages that may open a WebSocket, besides those above.
  std::vector<std::string> web_socket_origins;
  /// Host names of this server beside its address and localhost.
  std::vector<std::string> server_names;

  std::string version;
  std::string environment = "production";

  std::filesystem::path key_file; ///< Signs access tokens; made at the first start.
  secret admin_password;          ///< For the first start; drawn when empty.
  /// Shows a password that was drawn, once. It must not reach a log.
  std::function<void(const secret& password)> show_admin_password;
  seconds access_lifetime{3600};
  seconds refresh_lifetime{30 * 24 * 3600};
  password_cost hashing;
  unsigned hashing_threads = 2; ///< Passwords checked at the same time.
  attempt_limits logins_per_address{20, seconds{6}, 10'000};
  attempt_limits logins_per_user{5, seconds{30}, 10'000};
  /// What callers without a token are, by family. They also need a loopback address and a Host and Origin
  /// that name this server.
  std::map<family, role> anonymous;
  bool metrics_from_loopback = false; ///< GET /metrics without a token from loopback.

  /// Whether a picture in a question may have this address, which the provider would fetch from; may block,
  /// called on a thread of the edge. Empty: any.
  std::function<result<void>(const std::string& url)> check_picture;

  /// Of a question to a model that names no time, waiting included.
  milliseconds model_timeout{600'000};

  unsigned reader_threads = 2;
  size_t reader_line = 256;

  /// Where result files go that output_base_path asks for; empty: nowhere, and such evaluations are refused.
  std::filesystem::path results_folder;
  /// The result of an evaluation that ended without a stored one, JSON text; may block, called on a thread of
  /// the edge. Empty: its status stands in the file.
  std::function<result<std::string>(const run_record&)> compute_result;

  std::function<std::shared_ptr<const catalogue>()> current_catalogue;
  /// What the hosts of other programs say of themselves, by the names of components; must not block.
  std::function<std::map<std::string, host_state>()> host_states;
  /// `healthy` or `unavailable` for parts of the farm that the edge cannot see: python_host, sandbox.
  std::function<std::map<std::string, std::string>()> component_states;

  /// Checks a model configuration (JSON object text, read by config::read_model_configuration()) as a model
  /// of the farm, whose fields faults name; may block, called on a reader thread. @returns what its author
  /// should know. Empty: only its form is checked.
  std::function<result<std::vector<std::string>>(const std::string& id, const std::string& configuration)>
      check_model_configuration;

  /// Reads the configuration again; may block, called on a reader thread. Empty: it cannot be reloaded.
  std::function<result<reload_report>()> reload;

  clocks time;
  std::shared_ptr<spdlog::logger> log; ///< The default logger when empty.
};

/// The HTTP and WebSocket server: one io_context with one thread.
class edge {
public:
  /// @returns what would keep start() with these options from listening now, as far as that can be known
  /// without a store, so that a start that fails leaves none behind. Callbacks may be empty.
  static result<void> check(const edge_options& options);

  /// Listens and serves. Creates the first administrator when there are no users.
  /// @returns errc::invalid_argument for options that cannot work (among them the password admin123 beyond
  /// loopback), errc::connect_failed when the address is taken, or what the store says.
  static result<std::unique_ptr<edge>> start(edge_options options, std::unique_ptr<farm_access> farm,
                                             std::shared_ptr<storage::store> store);

  /// Stops without grace.
  ~edge();
  edge(const edge&) = delete;
  edge& operator=(const edge&) = delete;

  uint16_t port() const noexcept;

  /// Takes no new connections and closes the idle ones; requests that were begun are answered.
  void stop_accepting();

  /// Lets requests end within @p grace, closes what is left, lets go of every actor, and joins the thread.
  void stop(milliseconds grace);

private:
  struct implementation;
  explicit edge(std::unique_ptr<implementation> made);

  std::unique_ptr<implementation> implementation_;
};

} // namespace assay::server
