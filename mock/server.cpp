#include "mock/server.hpp"

#include "mock/service.hpp"
#include "mock/session.hpp"
#include "mock/task_answers.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <optional>
#include <sys/resource.h>
#include <thread>
#include <vector>

namespace assay::mock {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

namespace {

constexpr int backlog = 4096;

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

} // namespace

struct server::state {
  state(std::unique_ptr<service> provider, unsigned thread_count)
      : service_(std::move(provider)), io_(std::make_unique<net::io_context>(static_cast<int>(thread_count))),
        acceptor_(std::in_place, *io_), retry_(std::in_place, *io_), sweep_(std::in_place, *io_) {}

  std::optional<fault> listen(const options& value) {
    error_code ec;
    const auto address = net::ip::make_address(value.host == "localhost" ? "127.0.0.1" : value.host, ec);
    if (ec)
      return fault{errc::invalid_argument, "\"" + value.host + "\" is no address", "host", "write 127.0.0.1"};
    const tcp::endpoint endpoint(address, value.port);
    acceptor_->open(endpoint.protocol(), ec);
    if (!ec)
      acceptor_->set_option(net::socket_base::reuse_address(true), ec);
    if (!ec)
      acceptor_->bind(endpoint, ec);
    if (!ec)
      acceptor_->listen(backlog, ec);
    if (ec)
      return fault{errc::conflict, "cannot listen: " + ec.message(),
                   value.host + ":" + std::to_string(value.port),
                   "choose another port, or 0 for any free one"};
    port_ = acceptor_->local_endpoint(ec).port();
    host_ = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
    return {};
  }

  void accept() {
    acceptor_->async_accept([this](error_code ec, tcp::socket socket) {
      if (ec == net::error::operation_aborted)
        return;
      if (!ec) {
        serve_connection(std::move(socket), *service_, sessions_);
        return accept();
      }
      // Usually no file descriptor is left: others will end soon, and the backlog holds the newcomers.
      retry_->expires_after(milliseconds(10));
      retry_->async_wait([this](error_code stopped) {
        if (!stopped)
          accept();
      });
    });
  }

  void sweep() {
    const auto limit = service_->settings().idle_timeout;
    sweep_->expires_after(std::min<milliseconds>(limit, seconds(5)));
    sweep_->async_wait([this, limit](error_code stopped) {
      if (stopped)
        return;
      sessions_.end_idle(limit);
      sweep();
    });
  }

  std::unique_ptr<service> service_;
  session_list sessions_;
  std::unique_ptr<net::io_context> io_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<net::steady_timer> retry_;
  std::optional<net::steady_timer> sweep_;
  uint16_t port_ = 0;
  std::string host_;
  size_t known_prompts_ = 0;
  std::vector<fault> task_faults_;
  std::vector<std::thread> threads_;
};

server::server(std::unique_ptr<state> s) : state_(std::move(s)) {}

server::~server() {
  stop();
  join();
}

result<std::unique_ptr<server>> server::start(options value, std::shared_ptr<const answer_book> book) {
  if (auto mistake = validate(value))
    return *mistake;
  const auto threads = value.threads;
  task_answers known;
  if (!book && !value.task_folders.empty()) {
    known = read_task_answers(value.task_folders);
    if (known.prompts == 0 && !known.faults.empty())
      return known.faults.front();
    book = known.book;
  }
  auto provider = service::create(std::move(value), std::move(book));
  if (!provider)
    return provider.error();
  raise_file_limit();
  auto s = std::make_unique<state>(std::move(*provider), threads);
  s->known_prompts_ = known.prompts;
  s->task_faults_ = std::move(known.faults);
  if (auto problem = s->listen(s->service_->settings()))
    return *problem;
  s->accept();
  s->sweep();
  auto* raw = s.get();
  for (unsigned i = 0; i < threads; ++i)
    s->threads_.emplace_back([raw] { raw->io_->run(); });
  return std::unique_ptr<server>(new server(std::move(s)));
}

uint16_t server::port() const noexcept { return state_->port_; }

std::string server::base_url() const {
  return "http://" + state_->host_ + ":" + std::to_string(state_->port_) + "/v1";
}

size_t server::known_prompts() const noexcept { return state_->known_prompts_; }

const std::vector<fault>& server::task_faults() const noexcept { return state_->task_faults_; }

size_t server::connections() const { return state_->sessions_.size(); }

void server::stop() {
  if (state_->io_)
    state_->io_->stop();
}

void server::join() {
  for (auto& thread : state_->threads_)
    if (thread.joinable())
      thread.join();
  // Only now, with no thread left to race, the sockets are closed: destroying the context destroys the
  // pending handlers, and with them the sessions, which record their open calls as dropped.
  state_->acceptor_.reset();
  state_->retry_.reset();
  state_->sweep_.reset();
  state_->io_.reset();
}

} // namespace assay::mock
