#include "server/edge.hpp"

#include "core/values/loopback.hpp"
#include "server/auth/stored_documents.hpp"
#include "server/auth/users.hpp"
#include "server/listener.hpp"
#include "server/llm/batch_files.hpp"
#include "server/openapi.hpp"
#include "server/result_writer.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"
#include "server/websocket/socket_registry.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <filesystem>
#include <thread>

namespace assay::server {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::chrono::seconds housekeeping_period{60};
constexpr int sessions_swept_every = 60; ///< Periods.
constexpr uint16_t code_unauthorized = 3000;
constexpr uint16_t code_service_restart = 1012;
constexpr const char* documented_password = "admin123";

result<std::unique_ptr<asio::ssl::context>> make_tls(const tls_files& files) {
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  const auto wrong = [](const std::filesystem::path& file, const error_code& error) {
    return fault{errc::invalid_argument, "the TLS file cannot be used: " + error.message(), file.string(),
                 "give a PEM certificate chain and its private key"};
  };
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  error_code error;
  context->set_options(asio::ssl::context::single_dh_use | asio::ssl::context::no_compression, error);
  context->use_certificate_chain_file(files.certificate_chain.string(), error);
  if (error)
    return wrong(files.certificate_chain, error);
  context->use_private_key_file(files.private_key.string(), asio::ssl::context::pem, error);
  if (error)
    return wrong(files.private_key, error);
  return context;
}

void print_password(const secret& password) {
  std::printf("\nThe first user is 'admin' with the password  %s\nIt is shown only this once.\n\n",
              password.reveal().c_str());
  std::fflush(stdout);
}

fault weak_password() {
  return {errc::invalid_argument,
          "the password admin123 is known to everybody who has read the documentation",
          "ASSAY_ADMIN_PASSWORD", "choose another one, or listen on 127.0.0.1"};
}

fault of_first_password(fault reason) {
  if (reason.where == "password") {
    reason.code = errc::malformed_input;
    reason.where = "auth.admin_password";
    reason.hint = "choose another one; ASSAY_ADMIN_PASSWORD sets it too";
  }
  return reason;
}

/// What of @p options can be wrong whatever the store holds. @returns the context for TLS, where there is
/// one.
result<std::unique_ptr<asio::ssl::context>> checked(const edge_options& options) {
  if (!is_loopback_host(options.address) && options.admin_password.reveal() == documented_password)
    return weak_password();
  if (!options.tls)
    return std::unique_ptr<asio::ssl::context>{};
  return make_tls(*options.tls);
}

} // namespace

struct edge::implementation {
  edge_options options;
  std::unique_ptr<farm_access> farm;
  std::shared_ptr<storage::store> store;
  std::shared_ptr<spdlog::logger> log;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::unique_ptr<asio::ssl::context> tls;
  route_table routes;
  edge_counters counters;
  socket_registry sockets;
  std::unique_ptr<reader_pool> readers;
  std::unique_ptr<authenticator> auth;
  std::unique_ptr<result_writer> results;
  std::unique_ptr<batch_files> batches;
  std::unique_ptr<edge_services> services;
  std::unique_ptr<listener> door;
  asio::steady_timer housekeeping{io};
  bool stopping = false;
  std::thread thread;

  implementation(edge_options given, std::unique_ptr<farm_access> access,
                 std::shared_ptr<storage::store> from)
      : options(std::move(given)), farm(std::move(access)), store(std::move(from)),
        log(options.log ? options.log : spdlog::default_logger()) {}

  result<void> prepare();
  result<void> introduce_admin();
  asio::awaitable<result<void>> check_admin();
  asio::awaitable<void> store_last_uses();
  asio::awaitable<void> keep_house();
  asio::awaitable<void> shut_down(milliseconds grace);
};

result<void> edge::implementation::prepare() {
  prepare_crypto();
  auto context = checked(options);
  if (!context)
    return context.error();
  tls = std::move(*context);
  auto key = load_or_create_key(options.key_file);
  if (!key)
    return key.error();
  add_all_routes(routes);
  readers = std::make_unique<reader_pool>("store", options.reader_threads, options.reader_line);
  authenticator_options auth_options;
  auth_options.access_lifetime = options.access_lifetime;
  auth_options.refresh_lifetime = options.refresh_lifetime;
  auth_options.cost = options.hashing;
  auth_options.hashing_threads = options.hashing_threads;
  auth_options.per_address = options.logins_per_address;
  auth_options.per_user = options.logins_per_user;
  auth = std::make_unique<authenticator>(auth_options, std::move(*key),
                                         make_stored_documents(store, *farm, *readers), options.time);
  auth->on_session_end = [this](const user_id& user, const std::string& session) {
    sockets.close_if(
        [&](const principal* who) {
          return who && !who->anonymous && who->id == user && (session.empty() || who->session == session);
        },
        code_unauthorized, "the session has ended");
  };
  auth->keys().on_key_end = [this](const std::string& id) {
    sockets.close_if([&](const principal* who) { return who && who->api_key == id; }, code_unauthorized,
                     "the API key has ended");
  };
  auto page = make_documentation_page(routes, options.version);
  results =
      std::make_unique<result_writer>(io, options.results_folder, options.compute_result, store, *farm, *log);
  batches = std::make_unique<batch_files>(io, store, *log);
  services = std::make_unique<edge_services>(
      edge_services{options, *farm, store, *readers, *auth, routes, counters, sockets, *results, *batches,
                    *log, options.time.steady(), to_text(openapi_document(routes, options.version)),
                    std::move(page.html), std::move(page.policy)});
  door = std::make_unique<listener>(io, *services, tls.get());
  return door->open(options.address, options.port);
}

asio::awaitable<result<void>> edge::implementation::check_admin() {
  auto given = options.admin_password;
  auto drawn = co_await auth->users().ensure_admin(std::move(given));
  if (!drawn) {
    co_return of_first_password(drawn.error());
  }
  if (*drawn)
    (options.show_admin_password ? options.show_admin_password : print_password)(**drawn);
  if (!*drawn && !options.admin_password.empty()) {
    auto wanted = options.admin_password;
    auto holds = co_await auth->users().admin_has_password(std::move(wanted));
    if (!holds)
      co_return holds.error();
    if (!*holds)
      log->warn(
          "auth.admin_password is ignored: it is for the first start, and the users of this data folder "
          "have their own passwords; `assay users passwd admin` changes one");
  }
  if (!is_loopback_host(options.address)) {
    secret known{documented_password};
    auto weak = co_await auth->users().admin_has_password(std::move(known));
    if (!weak)
      co_return weak.error();
    if (*weak)
      co_return weak_password();
  }
  co_return result<void>{};
}

result<void> edge::implementation::introduce_admin() {
  std::optional<result<void>> outcome;
  asio::co_spawn(
      io, [this]() -> asio::awaitable<result<void>> { co_return co_await check_admin(); },
      [&](const std::exception_ptr& thrown, result<void> answer) {
        outcome =
            thrown ? result<void>{fault{errc::internal, "the first administrator cannot be created", {}, {}}}
                   : answer;
      });
  // Nobody is served yet, so the caller's thread does the work.
  while (!outcome)
    io.run_one();
  return *outcome;
}

asio::awaitable<void> edge::implementation::store_last_uses() {
  auto written = co_await auth->keys().write_last_uses();
  if (!written)
    log->warn("the last uses of API keys cannot be stored error=\"{}\"", to_string(written.error()));
}

asio::awaitable<void> edge::implementation::keep_house() {
  for (int round = 1; !stopping; ++round) {
    error_code error;
    housekeeping.expires_after(housekeeping_period);
    co_await housekeeping.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error || stopping)
      co_return;
    sockets.close_if([this](const principal* who) { return who && !auth->still_valid(*who); },
                     code_unauthorized, "the session has ended");
    co_await store_last_uses();
    if (stopping)
      co_return;
    if (round % sessions_swept_every == 1) {
      auto removed = co_await auth->remove_expired_sessions();
      if (!removed)
        log->warn("expired sessions cannot be removed error=\"{}\"", to_string(removed.error()));
    }
  }
}

asio::awaitable<void> edge::implementation::shut_down(milliseconds grace) {
  stopping = true;
  housekeeping.cancel();
  results->stop();
  batches->stop();
  door->close();
  sockets.close_if([](const principal*) { return true; }, code_service_restart, "the server is stopping");
  const bool empty = co_await door->drained(grace);
  if (!empty) {
    sockets.abort_all();
    door->abort_sessions();
    // What is left waits for an actor or a reader, which answer within five seconds.
    constexpr milliseconds longest_answer{6'000};
    co_await door->drained(longest_answer);
  }
  co_await store_last_uses();
  farm->drop();
  work.reset();
}

edge::edge(std::unique_ptr<implementation> made) : implementation_(std::move(made)) {}

result<void> edge::check(const edge_options& options) {
  if (const auto good = check_listening(options.address, options.port); !good)
    return good.error();
  if (const auto good = checked(options); !good)
    return good.error();
  // Later starts have their users, and the password is not looked at.
  std::error_code ignored;
  if (!options.admin_password.empty() && !std::filesystem::exists(options.key_file, ignored))
    if (const auto good = check_new_password(user_id{"admin"}, options.admin_password); !good)
      return of_first_password(good.error());
  return {};
}

result<std::unique_ptr<edge>> edge::start(edge_options options, std::unique_ptr<farm_access> farm,
                                          std::shared_ptr<storage::store> store) {
  auto made = std::make_unique<implementation>(std::move(options), std::move(farm), std::move(store));
  auto prepared = made->prepare();
  if (prepared)
    prepared = made->introduce_admin();
  if (!prepared) {
    made->farm->drop();
    return prepared.error();
  }
  auto& state = *made;
  state.door->run();
  asio::co_spawn(state.io, state.keep_house(), asio::detached);
  asio::co_spawn(state.io, state.results->run(), asio::detached);
  asio::co_spawn(state.io, state.batches->run(), asio::detached);
  state.thread = std::thread{[&state] { state.io.run(); }};
  return std::unique_ptr<edge>{new edge{std::move(made)}};
}

edge::~edge() { stop(milliseconds{0}); }

uint16_t edge::port() const noexcept { return implementation_->door->port(); }

void edge::stop_accepting() {
  asio::post(implementation_->io, [state = implementation_.get()] { state->door->close(); });
}

void edge::stop(milliseconds grace) {
  auto& state = *implementation_;
  if (!state.thread.joinable())
    return;
  asio::co_spawn(state.io, state.shut_down(grace), asio::detached);
  state.thread.join();
}

} // namespace assay::server
