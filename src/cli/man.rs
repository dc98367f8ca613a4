//! `campanile man`: the manual, one page a command, made of what the commands say of themselves.

use super::{Failure, output};
use clap::{Args, Command};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Man {
    /// Write every page into this folder instead of printing the first
    folder: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, command: Command) -> Result<(), Failure> {
        match self.folder {
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page)?;
                output::line(String::from_utf8_lossy(&page).trim_end())
            }
            Some(folder) => {
                std::fs::create_dir_all(&folder)?;
                clap_mangen::generate_to(command, &folder)?;
                Ok(())
            }
        }
    }
}
