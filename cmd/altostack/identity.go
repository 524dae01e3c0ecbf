package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"altostack/wire"
)

func identityCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "identity", Short: "Look after the identity service"}
	cmd.AddCommand(rotateKeysCommand())
	return cmd
}

func rotateKeysCommand() *cobra.Command {
	var data string
	var forget bool
	cmd := &cobra.Command{
		Use:   "rotate-keys [fernet|jws|credential]...",
		Short: "Give the signing of tokens, or the encryption of credentials, to the next key",
		Long: `The next key takes over at once and no token dies of it. The keys of tokens are
rotated by the day without being asked; those of credentials only here: every
stored secret is encrypted anew. It may be killed at any point and done again.
Without a name, the keys of encrypted tokens and of credentials are rotated.`,
		ValidArgs: []string{"fernet", "jws", "credential"},
		Args:      cobra.OnlyValidArgs,
		RunE: func(cmd *cobra.Command, names []string) error {
			if len(names) == 0 {
				names = []string{"fernet", "credential"}
			}
			for _, name := range names {
				done, err := wire.AskRotateKeys(cmd.Context(), data, name, forget)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s keys rotated\n", name)
				if name == "credential" {
					fmt.Fprintf(cmd.OutOrStdout(), "%d secrets encrypted anew, %d cannot be read\n", done.Resealed, done.Unreadable)
				}
			}
			return nil
		},
	}
	dataFlag(cmd, &data)
	cmd.Flags().BoolVar(&forget, "forget", false, "keep no key of tokens from before: every token made until now is dead")
	return cmd
}
