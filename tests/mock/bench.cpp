#include "bench.hpp"

#include <algorithm>

namespace assay::mock {

std::string taken_answer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

taken_answer taken(const reply& sent) {
  taken_answer out;
  const auto head = sent.bytes.find("\r\n\r\n");
  if (head == std::string::npos)
    return out;
  out.status = std::atoi(sent.bytes.c_str() + 9);
  for (auto at = sent.bytes.find("\r\n") + 2; at < head;) {
    const auto end = sent.bytes.find("\r\n", at);
    const auto line = sent.bytes.substr(at, end - at);
    auto name = line.substr(0, line.find(": "));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    out.headers.emplace(std::move(name), line.substr(line.find(": ") + 2));
    at = end + 2;
  }
  out.body = sent.bytes.substr(head + 4);
  if (out.header("transfer-encoding") != "chunked")
    return out;
  const auto chunked = std::exchange(out.body, {});
  for (size_t at = 0; at < chunked.size();) {
    const auto line = chunked.find("\r\n", at);
    const auto size = std::stoul(chunked.substr(at, line - at), nullptr, 16);
    out.body += chunked.substr(line + 2, size);
    at = line + 2 + size + 2;
  }
  return out;
}

std::vector<seen_event> events_of(const std::string& body) {
  std::vector<seen_event> out;
  seen_event event;
  bool any = false;
  for (size_t at = 0; at < body.size();) {
    const auto end = std::min(body.find('\n', at), body.size());
    auto line = body.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r'))
      line.pop_back();
    if (line.empty()) {
      if (any)
        out.push_back(std::exchange(event, {}));
      any = false;
    } else if (line.starts_with("event: ")) {
      event.name = line.substr(7);
    } else if (line.starts_with("data: ")) {
      event.data += line.substr(6);
      any = true;
    }
  }
  return out;
}

service_bench::service_bench(options value, std::shared_ptr<const answer_book> book) {
  value.clock = [this] { return now; };
  service_ = std::move(service::create(std::move(value), std::move(book)).value());
}

taken_answer service_bench::send(std::string_view method, std::string_view target, std::string_view body,
                                 const header_map& headers) {
  const fixed_headers source(headers);
  last_ = service_->handle({.method = method,
                            .target = target,
                            .authorization = source.find("authorization"),
                            .body = body,
                            .headers = &source});
  service_->finished(last_, true);
  return taken(last_);
}

options struck_by(std::string_view rules) {
  options value;
  value.faults = parse_fault_rules(rules).value();
  return value;
}

std::shared_ptr<const answer_book> small_sums() {
  auto book = std::make_shared<indexed_answer_book>();
  book->add("2+2?", "The answer is 4.", "The answer is 5.");
  book->seal();
  return book;
}

} // namespace assay::mock
