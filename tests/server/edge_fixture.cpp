#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <stdexcept>

namespace assay::server::test {

edge_test::edge_test() {
  options.port = 0;
  options.version = "1.2.3";
  options.key_file = farm_.folder() + "/signing.key";
  options.admin_password = secret{"admin123"};
  options.hashing = {1, 8192};
  options.show_admin_password = [this](const secret& password) { drawn_password_ = password.reveal(); };
  options.logins_per_address = {1000, seconds{1}, 1000};
  options.log =
      std::make_shared<spdlog::logger>("edge", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_));
  auto all = std::make_shared<catalogue>();
  for (int i = 1; i <= 18; ++i) {
    task_summary task;
    task.id = task_id{"task_" + std::to_string(i)};
    task.name = "Task " + std::to_string(i);
    task.category = i <= 12 ? "single_turn" : "multi_turn";
    task.difficulty = i % 2 == 0 ? "intermediate" : "beginner";
    task.languages = {"python"};
    all->tasks.push_back(std::move(task));
  }
  all->task_details[task_id{"task_1"}] = R"({"prompt":"What is {question}?"})";
  model_profile model;
  model.id = model_id{"claude-3-haiku"};
  model.name = "Claude 3 Haiku";
  model.provider = provider_id{"anthropic"};
  all->models.push_back(std::move(model));
  all->unlisted_model = [](const model_id& id) -> std::optional<unlisted_model_profile> {
    if (id.value != "sim-p70" && id.value != "keyless")
      return std::nullopt;
    unlisted_model_profile unlisted;
    unlisted.model.id = id;
    if (id.value == "keyless")
      unlisted.unavailable = "provider openai has no key";
    return unlisted;
  };
  options.current_catalogue = [all] { return all; };
}

edge_test::~edge_test() { stop(); }

void edge_test::start() {
  auto started = edge::start(options, farm_.access(), farm_.store());
  if (!started)
    throw std::runtime_error(to_string(started.error()));
  edge_ = std::move(*started);
}

void edge_test::stop() {
  if (edge_)
    edge_->stop(milliseconds{2000});
  edge_.reset();
}

std::string edge_test::login(const std::string& name, const std::string& password) {
  const nlohmann::json body{{"username", name}, {"password", password}};
  const auto reply = post("/auth/login", body.dump());
  if (reply.status != 200)
    throw std::runtime_error("login failed: " + reply.body);
  return reply.json().at("access_token");
}

std::string edge_test::admin() {
  if (admin_token_.empty())
    admin_token_ = login("admin", "admin123");
  return admin_token_;
}

std::string edge_test::user(const std::string& name, const std::string& role) {
  const nlohmann::json body{{"username", name}, {"password", "long enough"}, {"roles", {role}}};
  post("/users", body.dump(), admin());
  return login(name, "long enough");
}

http_reply edge_test::fetch(const std::string& target, const std::string& token) {
  http_connection connection{port()};
  connection.send(request_text("GET", target, {}, token));
  auto out = connection.receive();
  if (out.header("transfer-encoding") != "chunked")
    return out;
  auto& rest = connection.rest();
  for (size_t size = 1; size > 0;) {
    size_t line = 0;
    while ((line = rest.find("\r\n")) == std::string::npos)
      if (!connection.fill())
        return {};
    size = std::stoul(rest.substr(0, line), nullptr, 16);
    while (rest.size() < line + 2 + size + 2)
      if (!connection.fill())
        return {};
    out.body += rest.substr(line + 2, size);
    rest.erase(0, line + 2 + size + 2);
  }
  return out;
}

std::string edge_test::logged() {
  options.log->flush();
  return log_.str();
}

} // namespace assay::server::test
