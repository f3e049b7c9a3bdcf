//! A table for a number of workers: a row for each client, a column for each limiter.

use load_test::{server::Mode};

use super::{cell::Cell, client::Client};

/// The cells of one limiter.
type Column = (Mode, Vec<(Client, Cell)>);

pub fn print(workers: usize, columns: &[Column]) {
    println!("{workers} workers: × ideal · 429s\n");
    let names: Vec<_> = columns.iter().map(|(mode, _)| mode.name()).collect();
    println!("| client | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(columns.len()));
    for client in Client::ALL {
        let cells: Vec<_> = columns
            .iter()
            .filter_map(|(_, column)| column.iter().find(|(it, _)| *it == client))
            .map(|(_, cell)| match client {
                Client::Heed => format!("**{cell}**"),
                _ => cell.to_string(),
            })
            .collect();
        if !cells.is_empty() {
            println!("| {} | {} |", client.name(), cells.join(" | "));
        }
    }
    println!();
}
