// Scores JSON lines {"answer", "target"} in memory, on one thread, again and again, and prints how long a
// pass took.
//
//   scoring_speed FILE SCORER PASSES      SCORER as in a task file, as JSON
//
// Prints one JSON object: seconds of each pass, and the sum of the values, for the peer to compare.
#include "core/tasks/task_definition.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

using nlohmann::json;

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "usage: scoring_speed FILE SCORER PASSES\n";
    return 2;
  }
  const json task{{"id", "bench"},
                  {"dataset", "a.jsonl"},
                  {"prompt", "{q}"},
                  {"target", "{t}"},
                  {"scorer", json::parse(arguments[2])}};
  const auto parsed = assay::tasks::parse_task(task.dump(), "bench.yaml", "/");
  if (!parsed) {
    std::cerr << to_string(parsed.error()) << "\n";
    return 1;
  }
  std::vector<std::pair<std::string, std::string>> samples;
  std::ifstream file(arguments[1]);
  for (std::string line; std::getline(file, line);) {
    const json sample = json::parse(line);
    samples.emplace_back(sample.at("answer").get<std::string>(), sample.at("target").get<std::string>());
  }
  const auto& scorer = *parsed->scorers.front();
  json out{{"seconds", json::array()}, {"samples", samples.size()}};
  for (int pass = 0; pass < std::atoi(arguments[3]); ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    double sum = 0;
    for (const auto& [answer, target] : samples)
      sum += scorer.score(answer, target).value;
    out["seconds"].push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    out["sum"] = sum;
  }
  std::cout << out.dump() << "\n";
  return 0;
}
