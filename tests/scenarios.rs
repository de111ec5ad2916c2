//! Replays the scenario corpus through the Rust interface. Rust has no current
//! context, so the player keeps one, as a caller would.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use labkit::wire::{Outcome, Timestamp};
use labkit::{Client, Delivery, Error, Exit, Experience, Observed};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Scenario {
    name: String,
    clock: String,
    strict: bool,
    #[serde(default)]
    config: serde_json::Map<String, serde_json::Value>,
    steps: Vec<Step>,
    wire: Vec<Box<RawValue>>,
    #[serde(default)]
    stats: HashMap<String, u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Step {
    r#do: String,
    id: String,
    r#as: String,
    on: String,
    ms: i64,
    category: Option<String>,
    meta: Option<Box<RawValue>>,
    meta_bytes: Option<usize>,
    reason: Option<String>,
    reason_hex: Option<String>,
    correlation_id: Option<String>,
    start_time: String,
    outcome: String,
    equals: serde_json::Value,
    carrier: Option<String>,
    from: String,
    job: String,
    exit: String,
    payload: String,
    fails: Option<String>,
    steps: Vec<Step>,
}

impl Step {
    fn meta(&self) -> Option<String> {
        match (&self.meta, self.meta_bytes) {
            (Some(meta), _) => Some(meta.get().to_owned()),
            (None, Some(bytes)) => {
                let around = r#"{"pad":""}"#.len();
                Some(format!(r#"{{"pad":"{}"}}"#, "x".repeat(bytes - around)))
            }
            (None, None) => None,
        }
    }

    fn reason(&self) -> String {
        let Some(hex) = &self.reason_hex else { return self.reason.clone().unwrap_or_default() };
        let digits: Vec<char> = hex.chars().collect();
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The names in scope: `named` is the story's, `scopes` the caller's context.
struct Player {
    client: Client,
    now_ms: i64,
    named: Vec<Experience>,
    names: HashMap<String, usize>,
    carriers: HashMap<String, String>,
    scopes: Vec<HashMap<String, usize>>,
}

impl Player {
    fn new(scenario: &Scenario) -> Player {
        let mut config = scenario.config.clone();
        config.insert("transport".into(), "memory".into());
        config.insert("definitions".into(), "tests/scenarios/definitions".into());
        config.insert("type".into(), "web".into());
        config.insert("strict".into(), scenario.strict.into());
        let client = Client::from_json(&serde_json::to_string(&config).unwrap()).unwrap();
        let clock: Timestamp = scenario.clock.parse().unwrap();
        client.testing().unwrap().set_clock(clock);
        client.testing().unwrap().seed_ids(1);
        Player {
            client,
            now_ms: clock.as_millis(),
            named: Vec::new(),
            names: HashMap::new(),
            carriers: HashMap::new(),
            scopes: vec![HashMap::new()],
        }
    }

    fn keep(&mut self, name: &str, experience: Experience) -> usize {
        self.named.push(experience);
        self.names.insert(name.to_owned(), self.named.len() - 1);
        self.named.len() - 1
    }

    fn scope(&mut self) -> &mut HashMap<String, usize> {
        self.scopes.last_mut().unwrap()
    }

    /// The place of the experience that the step is about.
    fn place(&mut self, step: &Step) -> usize {
        match self.names.get(&step.on) {
            Some(place) => *place,
            None => self.keep(&step.on, Experience::inert()),
        }
    }

    fn play(&mut self, steps: &[Step]) {
        for step in steps {
            match (self.perform(step), &step.fails) {
                (Ok(()), None) => {}
                (Err(error), Some(status)) => assert_eq!(&status_of(&error), status),
                (Ok(()), Some(status)) => panic!("{} should fail: {status}", step.r#do),
                // In production a mistake is not raised: a wrapper drops it here.
                (Err(_), None) if !self.client.config().strict => {}
                (Err(Error::NotInCarrier), None) => {}
                (Err(error), None) => panic!("{}: {error}", step.r#do),
            }
        }
    }

    fn perform(&mut self, step: &Step) -> Result<(), Error> {
        let meta = step.meta();
        let (meta, category) = (meta.as_deref(), step.category.as_deref());
        match step.r#do.as_str() {
            "advance" => {
                self.now_ms += step.ms;
                self.client.testing()?.set_clock(Timestamp::from_millis(self.now_ms));
            }
            "start" => self.start(step, true)?,
            "resume" => self.resume(step)?,
            "block" => self.block(step)?,
            "scope" => {
                self.scopes.push(HashMap::new());
                self.play(&step.steps);
                self.scopes.pop();
            }
            "current" => {
                let seen = self.scope().get(&step.id).copied();
                let place = seen.unwrap_or_else(|| self.keep("", Experience::inert()));
                self.names.insert(step.r#as.clone(), place);
            }
            "observed" => {
                let definition = self.client.definition(&step.id)?;
                let observed = Observed {
                    correlation_id: step.correlation_id.as_deref(),
                    start_time: step.start_time.parse().unwrap(),
                    outcome: step.outcome.parse::<Outcome>().unwrap(),
                    reason: Some(&step.reason()),
                    meta,
                };
                self.client.observed(definition, observed)?;
            }
            "record" => {
                self.client.record(&step.payload)?;
            }
            _ => {
                let place = self.place(step);
                let (client, xp) = (&self.client, &mut self.named[place]);
                let _: Delivery = match step.r#do.as_str() {
                    "checkpoint" => client.checkpoint(xp, category, meta)?,
                    "error" => client.error(xp, &step.reason()),
                    "handled" => client.handled(xp, &step.reason()),
                    "complete" => client.complete(xp, meta)?,
                    "discard" => client.discard(xp, &step.reason(), meta)?,
                    "is_active" => {
                        assert_eq!(serde_json::Value::from(xp.is_active()), step.equals);
                        Delivery::Queued
                    }
                    "carrier" => {
                        let carrier = client.carrier(xp).unwrap();
                        assert_eq!(carrier, step.equals.as_str().unwrap());
                        self.carriers.insert(step.r#as.clone(), carrier);
                        Delivery::Queued
                    }
                    other => panic!("no such step: {other}"),
                };
            }
        }
        Ok(())
    }

    fn start(&mut self, step: &Step, restarts: bool) -> Result<(), Error> {
        let started = self.client.definition(&step.id).and_then(|definition| {
            let earlier = self.scopes.last().unwrap().get(&step.id);
            if let (true, None, Some(place)) = (restarts, &step.fails, earlier) {
                self.client.leave(&mut self.named[*place], Exit::Restarted, "", None)?;
            }
            self.client.start(definition, step.correlation_id.as_deref(), step.meta().as_deref())
        });
        let place = self.keep(&step.r#as, started.clone().unwrap_or(Experience::inert()));
        started?;
        self.scope().insert(step.id.clone(), place);
        Ok(())
    }

    fn resume(&mut self, step: &Step) -> Result<(), Error> {
        let carrier = step.carrier.clone().unwrap_or_else(|| self.carriers[&step.from].clone());
        let resumed = self.client.definition(&step.id).and_then(|definition| {
            let (category, meta) = (step.category.as_deref(), step.meta());
            self.client.resume(definition, &carrier, &step.job, category, meta.as_deref())
        });
        let place = self.keep(&step.r#as, resumed.clone().unwrap_or(Experience::inert()));
        resumed?;
        self.scope().insert(step.id.clone(), place);
        Ok(())
    }

    fn block(&mut self, step: &Step) -> Result<(), Error> {
        let outer = self.scope().clone();
        let started = self.start(step, false);
        let place = self.names[&step.r#as];
        self.play(&step.steps);
        *self.scope() = outer;
        let exit = match step.exit.as_str() {
            "normal" => Exit::Normal,
            "error" => Exit::Error,
            "non_local" => Exit::NonLocal,
            "cancelled" => Exit::Cancelled,
            "abandoned" => Exit::Abandoned,
            other => panic!("no such exit: {other}"),
        };
        let meta = step.meta();
        self.client.leave(&mut self.named[place], exit, &step.reason(), meta.as_deref())?;
        started
    }
}

fn status_of(error: &Error) -> String {
    let name = match error {
        Error::InvalidArgument(_) => "invalid_argument",
        Error::InvalidCheckpoint(_) => "invalid_checkpoint",
        Error::InvalidCarrier(_) => "invalid_carrier",
        Error::ReservedKey(_) => "reserved_key",
        Error::UnknownExperience(_) => "unknown_experience",
        other => panic!("unexpected: {other}"),
    };
    name.to_owned()
}

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new("tests/scenarios")).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

fn replay(path: &Path) {
    let scenario: Scenario = serde_json::from_str(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut player = Player::new(&scenario);
    player.play(&scenario.steps);
    let sent = player.client.testing().unwrap().take().unwrap();
    let wire: Vec<&str> = scenario.wire.iter().map(|raw| raw.get()).collect();
    assert_eq!(sent.lines().collect::<Vec<_>>(), wire, "{}: {}", path.display(), scenario.name);
    let stats = player.client.stats();
    assert!(stats.balances(), "{}: {stats:?}", path.display());
    for (key, value) in &scenario.stats {
        let actual = match key.as_str() {
            "recorded" => stats.recorded,
            "trimmed" => stats.trimmed,
            other => panic!("no such figure: {other}"),
        };
        assert_eq!(actual, *value, "{}: {key}", path.display());
    }
}

#[test]
fn every_scenario_sends_its_exact_bytes() {
    let files = files();
    assert!(files.len() >= 25, "only {} scenarios", files.len());
    for path in files {
        replay(&path);
    }
}
