#pragma once

#include "mock/service.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// The headers of a request.
class fixed_headers final : public header_source {
public:
  explicit fixed_headers(std::map<std::string, std::string, std::less<>> values)
      : values_(std::move(values)) {}
  std::string_view find(std::string_view name) const override {
    const auto found = values_.find(name);
    return found == values_.end() ? std::string_view() : std::string_view(found->second);
  }

private:
  std::map<std::string, std::string, std::less<>> values_;
};

/// What a reply says, taken apart.
struct taken_answer {
  int status = 0;
  std::multimap<std::string, std::string> headers; ///< Names in lower case.
  std::string body;                                ///< Chunks joined.

  std::string header(const std::string& name) const;
  nlohmann::json json() const { return nlohmann::json::parse(body); }
};

taken_answer taken(const reply& sent);

/// The events of a stream: name (empty without one) and data, comments left out.
struct seen_event {
  std::string name;
  std::string data;
  nlohmann::json json() const { return nlohmann::json::parse(data); }
};
std::vector<seen_event> events_of(const std::string& body);

/// A service without sockets whose clock only the test moves.
class service_bench {
public:
  using header_map = std::map<std::string, std::string, std::less<>>;

  explicit service_bench(options value = {}, std::shared_ptr<const answer_book> book = nullptr);

  /// Sends a request and finishes its call.
  taken_answer send(std::string_view method, std::string_view target, std::string_view body = {},
                    const header_map& headers = {});
  taken_answer post(std::string_view target, const nlohmann::json& body, const header_map& headers = {}) {
    return send("POST", target, body.dump(), headers);
  }
  taken_answer get(std::string_view target, const header_map& headers = {}) {
    return send("GET", target, {}, headers);
  }

  /// The reply of the last request.
  const reply& last() const { return last_; }

  nanoseconds now{seconds(1000)};

private:
  std::unique_ptr<service> service_;
  reply last_;
};

/// The options with these fault rules.
options struck_by(std::string_view rules);

/// "2+2?" is 4 and wrongly 5.
std::shared_ptr<const answer_book> small_sums();

} // namespace assay::mock
